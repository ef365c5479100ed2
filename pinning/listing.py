"""Listing pins: the filters of the Pinning Service API, read from a query and turned into SQL.

Source: IPFS Pinning Service API 1.0.0, `GET /pins`.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, TypeVar

from multidict import MultiMapping

from pinhole.contract.cid import Cid
from pinhole.contract.errors import Refused
from pinhole.contract.owners import Owner
from pinhole.contract.pins import MAX_META_KEYS, MAX_NAME_LENGTH, Status
from pinhole.runtime.postgres import Pool
from pinning.store import StoredPin
from pinning.texts import check_storable

DEFAULT_LIMIT: Final = 10
MAX_LIMIT: Final = 1000
MAX_CIDS: Final = 10

# A day from the ends of what can be stored: an offset must not lead beyond.
_MIN_YEAR: Final = 2
_MAX_YEAR: Final = 9998

W = TypeVar("W", bound=StrEnum)


class Match(StrEnum):
    """How `name` is compared."""

    EXACT = "exact"
    IEXACT = "iexact"
    PARTIAL = "partial"
    IPARTIAL = "ipartial"


@dataclass(frozen=True)
class Filter:
    """Which pins of one owner are listed; None does not filter."""

    cids: list[Cid] | None = None
    name: str | None = None
    match: Match = Match.EXACT
    statuses: list[Status] | None = None
    before: datetime | None = None
    after: datetime | None = None
    limit: int = DEFAULT_LIMIT
    meta: dict[str, str] | None = None

    @classmethod
    def of(cls, query: MultiMapping[str], *, default_statuses: list[Status]) -> "Filter":
        """Return the filter that a query asks for.

        Raises:
            Refused: a parameter is malformed; the sentence names it.
        """
        name = query.get("name")
        if name is not None and len(name) > MAX_NAME_LENGTH:
            raise Refused(f"name has {len(name)} characters, the limit is {MAX_NAME_LENGTH}")
        check_storable("name", name or "")
        return cls(
            cids=_cids(query),
            name=name,
            match=_word(Match, "match", query.get("match", Match.EXACT)),
            statuses=[_word(Status, "status", word) for word in _words(query, "status")]
            or default_statuses,
            before=_instant(query, "before"),
            after=_instant(query, "after"),
            limit=_limit(query.get("limit", str(DEFAULT_LIMIT))),
            meta=_meta(query.get("meta")),
        )


def _words(query: MultiMapping[str], name: str) -> list[str]:
    """Return a list that is written with commas, or by repeating the parameter, or both."""
    return [word for text in query.getall(name, []) for word in text.split(",") if word]


def _cids(query: MultiMapping[str]) -> list[Cid] | None:
    words = _words(query, "cid")
    if len(words) > MAX_CIDS:
        raise Refused(f"cid has {len(words)} values, the limit is {MAX_CIDS}")
    # A CID that Pinhole cannot hold is refused, as everywhere.
    return [Cid.parse(word) for word in words] or None


def _word(kind: type[W], name: str, word: str) -> W:
    try:
        return kind(word)
    except ValueError:
        known = ", ".join(kind)
        raise Refused(f"{name} is one of {known}; got {word[:40]!r}") from None


def _instant(query: MultiMapping[str], name: str) -> datetime | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        # "+" of an offset arrives as a space where the client did not escape it.
        instant = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        instant = datetime.min  # noqa: DTZ901 - refused below, as every instant without a zone
    if instant.tzinfo is None or not _MIN_YEAR <= instant.year <= _MAX_YEAR:
        raise Refused(f"{name} is an RFC 3339 instant with its zone; got {text[:40]!r}")
    return instant.astimezone(UTC)


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:5]) <= MAX_LIMIT:
        raise Refused(f"limit is a number from 1 to {MAX_LIMIT}; got {text[:40]!r}")
    return int(text)


def _meta(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    try:
        meta = json.loads(text)
    except (ValueError, RecursionError):
        meta = None
    if not isinstance(meta, dict) or not all(isinstance(value, str) for value in meta.values()):
        raise Refused("meta is a JSON object of strings") from None
    if len(meta) > MAX_META_KEYS:
        raise Refused(f"meta has {len(meta)} keys, the limit is {MAX_META_KEYS}")
    check_storable("meta", *meta, *meta.values())
    return meta


@dataclass(frozen=True)
class Page:
    """Pins, newest first, and how many match in all."""

    pins: list[StoredPin]
    count: int


_MATCHING: Final = """
    FROM pinning.pins WHERE owner = $1
    AND ($2::bytea[] IS NULL OR cid = ANY ($2))
    AND ($3::text IS NULL OR CASE $4::text
        WHEN 'exact' THEN name = $3
        WHEN 'iexact' THEN lower(name) = lower($3)
        WHEN 'partial' THEN position($3 in name) > 0
        ELSE position(lower($3) in lower(name)) > 0 END)
    AND status = ANY ($5::pinning.status[])
    AND ($6::timestamptz IS NULL OR created_at < $6)
    AND ($7::timestamptz IS NULL OR created_at > $7)
    AND ($8::jsonb IS NULL OR meta @> $8)
"""
PAGE: Final = "SELECT *" + _MATCHING + "ORDER BY created_at DESC LIMIT $9"
COUNT: Final = "SELECT count(*)" + _MATCHING


async def page(pool: Pool, owner: Owner, wanted: Filter) -> Page:
    """Return the newest pins of `owner` that `wanted` asks for, and the count of all of them."""
    arguments = (
        owner.text,
        [cid.binary for cid in wanted.cids] if wanted.cids is not None else None,
        wanted.name,
        wanted.match,
        wanted.statuses,
        wanted.before,
        wanted.after,
        wanted.meta,
    )
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        # Which index serves depends on which filters are there.
        await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        rows = await connection.fetch(PAGE, *arguments, wanted.limit)
        if len(rows) < wanted.limit:
            count = len(rows)
        else:
            count = await connection.fetchval(COUNT, *arguments)
    return Page([StoredPin.of(row) for row in rows], count)
