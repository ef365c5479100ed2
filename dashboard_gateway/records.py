"""What journeys write down: pinned, put off, unusable, detected. Many journeys, one transaction.

Every statement moves a frame only out of the states that it may leave, so that writing the same
again changes nothing and nothing is written twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from dashboard_gateway import memo
from dashboard_gateway.coalesce import Coalescer
from dashboard_gateway.memo import Entry
from dashboard_gateway.states import AnalysisState, BytesState
from pinhole.contract.cid import Cid
from pinhole.contract.detection import InferenceAnswer
from pinhole.runtime.postgres import Connection, Pool

MAX_RECORDS = 256


@dataclass(frozen=True, slots=True)
class Pinned:
    """The hub holds the frame's bytes, which came from their owner."""

    frame_id: int


@dataclass(frozen=True, slots=True)
class PutOff:
    """An attempt to get the bytes came to nothing."""

    frame_id: int
    missing: bool
    """Whether the camera shall push them."""
    attempts: int
    reason: str
    details: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """The bytes will never be had, or are not what was promised."""

    frame_id: int
    bytes_state: BytesState
    reason: str
    details: str


@dataclass(frozen=True, slots=True)
class Detected:
    """What the detector saw."""

    frame_id: int
    cid: Cid
    answer: InferenceAnswer


@dataclass(frozen=True, slots=True)
class NotDetected:
    """An analysis came to nothing: for now (`waiting`), or for good."""

    frame_id: int
    analysis_state: AnalysisState
    attempts: int
    reason: str
    details: str


Record = Pinned | PutOff | Unusable | Detected | NotDetected
T = TypeVar("T")


class Records:
    """Writes records, those of concurrent journeys together."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._coalescer: Coalescer[Record, None] = Coalescer(
            self._write_all, most=MAX_RECORDS, at_once=2
        )

    async def write(self, record: Record) -> None:
        """Return once `record` is committed."""
        await self._coalescer.submit(record)

    async def stop(self) -> None:
        """Leave what is not written to whoever repeats it."""
        await self._coalescer.stop()

    async def _write_all(self, records: Sequence[Record]) -> list[None]:
        # In one order everywhere: two writers then never wait in a circle.
        ordered = sorted(records, key=lambda record: record.frame_id)
        if all(isinstance(record, Pinned) for record in ordered):
            # The most frequent, and what cameras wait for: one statement is its own transaction.
            await _write_pinned(self._pool, _of(ordered, Pinned))
        else:
            await self._write_mixed(ordered)
        return [None] * len(records)

    async def _write_mixed(self, records: Sequence[Record]) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await _write_pinned(connection, _of(records, Pinned))
            await _write_put_off(connection, _of(records, PutOff))
            await _write_unusable(connection, _of(records, Unusable))
            await write_detected(connection, _of(records, Detected))
            await _write_not_detected(connection, _of(records, NotDetected))


def _of(records: Sequence[Record], kind: type[T]) -> list[T]:
    return [record for record in records if isinstance(record, kind)]


PINNED = """
    UPDATE dashboard.frames SET bytes_state = 'pinned', pinned_at = now(), reason = NULL,
        details = NULL
    WHERE frame_id = ANY ($1) AND bytes_state IN ('awaited', 'missing')
"""


async def _write_pinned(connection: Connection | Pool, records: Sequence[Pinned]) -> None:
    if records:
        await connection.execute(PINNED, [record.frame_id for record in records])


# `missing` is left by the bytes' arrival only: what the camera was asked for stays asked for.
PUT_OFF = """
    UPDATE dashboard.frames AS f SET
        bytes_state = CASE WHEN n.missing THEN 'missing' ELSE f.bytes_state END,
        pin_attempts = n.attempts, reason = n.reason, details = n.details
    FROM unnest($1::bigint[], $2::boolean[], $3::smallint[], $4::text[], $5::text[])
        AS n (frame_id, missing, attempts, reason, details)
    WHERE f.frame_id = n.frame_id AND f.bytes_state IN ('awaited', 'missing')
"""


async def _write_put_off(connection: Connection, records: Sequence[PutOff]) -> None:
    if records:
        await connection.execute(
            PUT_OFF,
            [record.frame_id for record in records],
            [record.missing for record in records],
            [record.attempts for record in records],
            [record.reason for record in records],
            [record.details for record in records],
        )


UNUSABLE = """
    UPDATE dashboard.frames AS f SET
        bytes_state = n.bytes_state, reason = n.reason, details = n.details,
        analysis_state = CASE WHEN f.analysis_state <> 'waiting' THEN f.analysis_state
            WHEN n.bytes_state = 'invalid' THEN 'invalid' ELSE 'failed' END
    FROM unnest($1::bigint[], $2::dashboard.bytes_state[], $3::text[], $4::text[])
        AS n (frame_id, bytes_state, reason, details)
    WHERE f.frame_id = n.frame_id AND f.bytes_state IN ('awaited', 'missing')
"""


async def _write_unusable(connection: Connection, records: Sequence[Unusable]) -> None:
    if records:
        await connection.execute(
            UNUSABLE,
            [record.frame_id for record in records],
            [record.bytes_state for record in records],
            [record.reason for record in records],
            [record.details for record in records],
        )


# Boxes are in pixels of the picture as decoded: its size replaces what the camera said.
DETECTED = """
    UPDATE dashboard.frames AS f SET
        analysis_state = 'detected', analysed_at = now(), reason = NULL, details = NULL,
        width_px = n.width_px, height_px = n.height_px, model_name = n.model_name,
        model_digest = n.model_digest, classes = string_to_array(n.classes, E'\\x1f'),
        max_confidence = n.max_confidence
    FROM unnest($1::bigint[], $2::integer[], $3::integer[], $4::text[], $5::bytea[], $6::text[],
        $7::real[]) AS n (frame_id, width_px, height_px, model_name, model_digest, classes,
        max_confidence)
    WHERE f.frame_id = n.frame_id AND f.analysis_state IN ('waiting', 'failed')
    RETURNING f.frame_id
"""
# Pinning's policies decide on it: `telling` tells, whatever becomes of this process.
UNTOLD = """
    INSERT INTO dashboard.untold (frame_id) SELECT * FROM unnest($1::bigint[])
    ON CONFLICT (frame_id) DO UPDATE SET revision = untold.revision + 1
"""
DETECTIONS = """
    INSERT INTO dashboard.detections
        (frame_id, ordinal, xyxy_px, confidence, class_id, class_name)
    SELECT frame_id, ordinal, ARRAY[x_min, y_min, x_max, y_max], confidence, class_id, class_name
    FROM unnest($1::bigint[], $2::smallint[], $3::real[], $4::real[], $5::real[], $6::real[],
        $7::real[], $8::integer[], $9::text[]) AS n (frame_id, ordinal, x_min, y_min, x_max, y_max,
        confidence, class_id, class_name)
"""
_SEPARATOR = "\x1f"


async def write_detected(connection: Connection, records: Sequence[Detected]) -> None:
    """Write what was seen in frames that have no detections yet, and remember it."""
    if not records:
        return
    answers = [record.answer for record in records]
    rows = await connection.fetch(
        DETECTED,
        [record.frame_id for record in records],
        [answer.width_px for answer in answers],
        [answer.height_px for answer in answers],
        [answer.model.name for answer in answers],
        [bytes.fromhex(answer.model.digest) for answer in answers],
        [_classes(answer) for answer in answers],
        [max((d.confidence for d in answer.detections), default=None) for answer in answers],
    )
    changed = {row["frame_id"] for row in rows}
    await connection.execute(UNTOLD, list(changed))
    await _write_detections(connection, [r for r in records if r.frame_id in changed])
    await memo.remember(connection, [Entry(record.cid, record.answer) for record in records])


def _classes(answer: InferenceAnswer) -> str:
    """Return the classes seen, for an array within an array: PostgreSQL's are rectangular."""
    names = sorted({detection.class_name for detection in answer.detections})
    return _SEPARATOR.join(names)


async def _write_detections(connection: Connection, records: Sequence[Detected]) -> None:
    boxes = [
        (record.frame_id, ordinal, *box.xyxy_px, box.confidence, box.class_id, box.class_name)
        for record in {record.frame_id: record for record in records}.values()
        for ordinal, box in enumerate(record.answer.detections)
    ]
    if boxes:
        await connection.execute(DETECTIONS, *map(list, zip(*boxes, strict=True)))


NOT_DETECTED = """
    UPDATE dashboard.frames AS f SET
        analysis_state = n.analysis_state, analysis_attempts = n.attempts, reason = n.reason,
        details = n.details,
        analysed_at = CASE n.analysis_state WHEN 'waiting' THEN NULL ELSE now() END
    FROM unnest($1::bigint[], $2::dashboard.analysis_state[], $3::smallint[], $4::text[],
        $5::text[]) AS n (frame_id, analysis_state, attempts, reason, details)
    WHERE f.frame_id = n.frame_id AND f.analysis_state = 'waiting'
"""


async def _write_not_detected(connection: Connection, records: Sequence[NotDetected]) -> None:
    if records:
        await connection.execute(
            NOT_DETECTED,
            [record.frame_id for record in records],
            [record.analysis_state for record in records],
            [record.attempts for record in records],
            [record.reason for record in records],
            [record.details for record in records],
        )
