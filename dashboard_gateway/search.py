"""Finding frames: filters in, at most a page of rows out, newest first, by keyset.

A page is found from the last row of the one before, never by counting rows to skip: page 10,000
costs what page 1 costs. Permission is part of every query (invariant 7).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import asyncpg

from dashboard_gateway.filters import FrameFilter
from dashboard_gateway.viewers import Viewer
from pinhole.contract.errors import Unprocessable
from pinhole.runtime.postgres import Pool

MAX_PAGE: Final = 500
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_CURSOR: Final = re.compile(r"(-?[0-9]{1,18})-([0-9]{1,18})")
_MERGED_CAMERAS: Final = 16
"""Up to so many cameras are each walked on their own index and merged; more share the index of all,
where theirs are found soon enough."""


class BadCursor(Unprocessable):
    """The cursor was not made here."""

    reason = "BAD_CURSOR"


@dataclass(frozen=True)
class Cursor:
    """A place in the list: the frame after which (or before which) it goes on."""

    captured_at: datetime
    frame_id: int

    @classmethod
    def of(cls, row: asyncpg.Record) -> "Cursor":
        """Return the place of a row."""
        return cls(row["captured_at"], row["frame_id"])

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Return the place that `str(cursor)` named.

        Raises:
            BadCursor: `text` is not of that form.
        """
        match = _CURSOR.fullmatch(text)
        if match is None:
            raise BadCursor(f"{text[:40]!r} is no cursor of this list")
        try:
            return cls(_EPOCH + int(match[1]) * _MICROSECOND, int(match[2]))
        except OverflowError:
            raise BadCursor(f"{text[:40]!r} lies outside of time") from None

    def __str__(self) -> str:
        return f"{(self.captured_at - _EPOCH) // _MICROSECOND}-{self.frame_id}"


COLUMNS: Final = """
    f.frame_id, f.camera_id, f.event_id, f.stream, f.seq, f.chain_state, f.digest, f.codec,
    f.sha256, f.size_bytes, f.media_type, f.width_px, f.height_px, f.captured_at, f.received_at,
    f.clock_offset_ms, f.attributes, f.storage_mode, f.bytes_state, f.analysis_state, f.reason,
    f.details, f.pinned_at, f.analysed_at, f.model_name, f.model_digest, f.classes, f.max_confidence
"""
_FROM_ALL: Final = """
    SELECT {columns} FROM dashboard.frames f WHERE {conditions}
    ORDER BY f.captured_at {order}, f.frame_id {order} LIMIT {limit}
"""
_FROM_FEW_CAMERAS: Final = """
    SELECT f.* FROM unnest({cameras}::integer[]) AS one (camera_id) CROSS JOIN LATERAL (
        SELECT {columns} FROM dashboard.frames f
        WHERE f.camera_id = one.camera_id AND {conditions}
        ORDER BY f.captured_at {order}, f.frame_id {order} LIMIT {limit}) AS f
    ORDER BY f.captured_at {order}, f.frame_id {order} LIMIT {limit}
"""
CAMERAS: Final = """
    SELECT camera_id FROM dashboard.cameras
    WHERE (cardinality($1::text[]) = 0 OR site || '/' || name = ANY ($1))
      AND (cardinality($2::text[]) = 0 OR site = ANY ($2))
"""
_OF_A_CLASS: Final = """EXISTS (SELECT FROM dashboard.detections d WHERE d.frame_id = f.frame_id
    AND d.class_name = ANY ({classes}::text[]) AND d.confidence >= {confidence}::real)"""


class _Query:
    """SQL put together from the constants above; values go in as parameters only."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.conditions: list[str] = []

    def value(self, value: Any) -> str:  # noqa: ANN401 - a parameter of any type
        self.values.append(value)
        return f"${len(self.values)}"

    def where(self, condition: str, **values: Any) -> None:  # noqa: ANN401 - as above
        placed = {name: self.value(value) for name, value in values.items()}
        self.conditions.append(condition.format(**placed))


@dataclass(frozen=True)
class Search:
    """A filter as one viewer sees it, at one moment."""

    filter: FrameFilter
    viewer: Viewer
    zone: ZoneInfo
    now: datetime

    async def page(
        self, pool: Pool, *, limit: int, after: Cursor | None = None, newer: bool = False
    ) -> list[asyncpg.Record]:
        """Return up to `limit` frames older than `after`, newest first (the newest without it).

        With `newer`, those newer than `after`, oldest first.
        """
        cameras = await self._cameras(pool)
        if cameras is not None and not cameras:
            return []
        query, values = self.sql(cameras, limit=limit, after=after, newer=newer)
        return list(await pool.fetch(query, *values))

    async def _cameras(self, pool: Pool) -> list[int] | None:
        """Return the ids of the cameras that are both asked for and permitted; None means all."""
        if not self.filter.camera and not self.filter.site:
            return self.viewer.camera_ids
        rows = await pool.fetch(CAMERAS, list(self.filter.camera), list(self.filter.site))
        return [row["camera_id"] for row in rows if self.viewer.may_see(row["camera_id"])]

    def sql(
        self,
        cameras: Sequence[int] | None,
        *,
        limit: int,
        after: Cursor | None = None,
        newer: bool = False,
    ) -> tuple[str, list[Any]]:
        """Return the query and its parameters."""
        query = _Query()
        self._add_conditions(query, after, newer=newer)
        form, named = _FROM_ALL, {}
        if cameras is not None and len(cameras) <= _MERGED_CAMERAS:
            form, named = _FROM_FEW_CAMERAS, {"cameras": query.value(list(cameras))}
        elif cameras is not None:
            query.where("f.camera_id = ANY ({ids}::integer[])", ids=list(cameras))
        text = form.format(
            columns=COLUMNS,
            conditions=" AND ".join(query.conditions) or "true",
            order="ASC" if newer else "DESC",
            limit=query.value(limit),
            **named,
        )
        return text, query.values

    def _add_conditions(self, query: _Query, after: Cursor | None, *, newer: bool) -> None:
        wanted = self.filter
        from_at, to_at = wanted.time_range(self.zone, self.now)
        if after is not None:
            place = "(f.captured_at, f.frame_id) {sign} ({at}::timestamptz, {id}::bigint)"
            place = place.replace("{sign}", ">" if newer else "<")
            query.where(place, at=after.captured_at, id=after.frame_id)
        if from_at is not None:
            query.where("f.captured_at >= {at}::timestamptz", at=from_at)
        if to_at is not None:
            query.where("f.captured_at < {at}::timestamptz", at=to_at)
        if wanted.bytes_state:
            condition = "f.bytes_state = ANY ({states}::dashboard.bytes_state[])"
            query.where(condition, states=list(wanted.bytes_state))
        if wanted.analysis_state:
            condition = "f.analysis_state = ANY ({states}::dashboard.analysis_state[])"
            query.where(condition, states=list(wanted.analysis_state))
        if wanted.class_name:
            query.where("f.classes && {classes}::text[]", classes=list(wanted.class_name))
        if wanted.min_confidence is not None:
            query.where("f.max_confidence >= {least}::real", least=wanted.min_confidence)
        if wanted.class_name and wanted.min_confidence is not None:
            # "Surest of all is 0.9" does not mean that the asked class is.
            query.where(
                _OF_A_CLASS, classes=list(wanted.class_name), confidence=wanted.min_confidence
            )
