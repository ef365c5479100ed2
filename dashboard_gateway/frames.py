"""Frames in PostgreSQL: every statement that writes them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from dashboard_gateway.chain import ChainState
from dashboard_gateway.deliveries import Delivery, evidence_of
from pinhole.contract.cid import Cid
from pinhole.contract.event import FrameCaptured
from pinhole.runtime.postgres import Connection


@dataclass(slots=True)
class NewFrame:
    """A captured frame that is about to be written."""

    delivery: Delivery
    event: FrameCaptured
    event_digest: bytes
    attributes: str
    captured_at: datetime
    chain_state: ChainState = ChainState.UNCHAINED


@dataclass(frozen=True, slots=True)
class Written:
    """Where a new frame was written."""

    frame_id: int
    delivery_id: int


# What exists already is left as it is and not returned: constraints forbid doubles.
INSERT = """
    WITH d AS MATERIALIZED (
        SELECT nextval('dashboard.deliveries_delivery_id_seq') AS delivery_id, given.*
        FROM unnest($1::integer[], $2::text[], $3::timestamptz[], $4::text[], $5::bytea[])
            WITH ORDINALITY AS given (camera_id, webhook_id, received_at, headers, body, ordinal)
    ), evidence AS (
        INSERT INTO dashboard.deliveries
            (delivery_id, camera_id, webhook_id, received_at, headers, body)
        OVERRIDING SYSTEM VALUE
        SELECT delivery_id, camera_id, webhook_id, received_at, headers::jsonb, body FROM d
    )
    INSERT INTO dashboard.frames (
        camera_id, event_id, event_digest, stream, seq, prev, chain_state, delivery_id, digest,
        sha256, size_bytes, media_type, width_px, height_px, captured_at, claimed_at, received_at,
        clock_offset_ms, attributes)
    SELECT d.camera_id, f.event_id, f.event_digest, f.stream, f.seq, f.prev, f.chain_state,
        d.delivery_id, f.digest, f.digest, f.size_bytes, f.media_type, f.width_px, f.height_px,
        f.captured_at, f.claimed_at, d.received_at, f.clock_offset_ms, f.attributes::jsonb
    FROM unnest(
        $6::bigint[], $7::uuid[], $8::bytea[], $9::uuid[], $10::bigint[], $11::bytea[],
        $12::dashboard.chain_state[], $13::bytea[], $14::bigint[], $15::text[], $16::integer[],
        $17::integer[], $18::timestamptz[], $19::timestamptz[], $20::bigint[], $21::text[]
    ) WITH ORDINALITY AS f (
        delivery, event_id, event_digest, stream, seq, prev, chain_state, digest, size_bytes,
        media_type, width_px, height_px, captured_at, claimed_at, clock_offset_ms, attributes,
        ordinal)
    JOIN d ON d.ordinal = f.delivery
    ORDER BY f.ordinal
    ON CONFLICT DO NOTHING
    RETURNING frame_id, camera_id, event_id, delivery_id
"""


async def insert(
    connection: Connection, frames: Sequence[NewFrame]
) -> dict[tuple[int, UUID], Written]:
    """Write frames with the deliveries that brought them.

    Returns:
        Those that are new, by (camera_id, event id), in order of arrival.
    """
    if not frames:
        return {}
    # By identity: a delivery is one object for all its frames.
    brought = list({id(frame.delivery): frame.delivery for frame in frames}.values())
    numbers = {id(delivery): number for number, delivery in enumerate(brought, 1)}
    data = [frame.event.data for frame in frames]
    rows = await connection.fetch(
        INSERT,
        *evidence_of(brought),
        [numbers[id(frame.delivery)] for frame in frames],
        [frame.event.id for frame in frames],
        [frame.event_digest for frame in frames],
        [part.stream for part in data],
        [part.seq for part in data],
        [None if part.prev is None else bytes.fromhex(part.prev) for part in data],
        [frame.chain_state for frame in frames],
        [frame.event.subject.digest for frame in frames],
        [part.size_bytes for part in data],
        [part.media_type for part in data],
        [part.width_px for part in data],
        [part.height_px for part in data],
        [frame.captured_at for frame in frames],
        [None if frame.captured_at == frame.event.time else frame.event.time for frame in frames],
        [part.clock_offset_ms for part in data],
        [frame.attributes for frame in frames],
    )
    return {
        (row["camera_id"], row["event_id"]): Written(row["frame_id"], row["delivery_id"])
        for row in rows
    }


FIND_EVENTS = """
    SELECT camera_id, event_id, event_digest
    FROM unnest($1::integer[], $2::uuid[]) AS given (camera_id, event_id)
    JOIN dashboard.frames USING (camera_id, event_id)
    UNION ALL
    SELECT camera_id, event_id, event_digest
    FROM unnest($1::integer[], $2::uuid[]) AS given (camera_id, event_id)
    JOIN dashboard.absences USING (camera_id, event_id) WHERE event_digest IS NOT NULL
"""


async def find_events(
    connection: Connection, identities: Collection[tuple[int, UUID]]
) -> dict[tuple[int, UUID], bytes]:
    """Return the digests of the events that are known by (camera_id, event id)."""
    if not identities:
        return {}
    rows = await connection.fetch(
        FIND_EVENTS, [camera_id for camera_id, _ in identities], [id_ for _, id_ in identities]
    )
    return {(row["camera_id"], row["event_id"]): bytes(row["event_digest"]) for row in rows}


@dataclass(frozen=True, slots=True)
class Loss:
    """Seqs of a stream that a camera declares lost."""

    camera_id: int
    stream: UUID
    first_seq: int
    last_seq: int
    reason: str


# Two searches, each in the index of its state: a lost range may span millions of settled frames.
LOSE = """
    WITH n AS (
        SELECT * FROM unnest($1::integer[], $2::uuid[], $3::bigint[], $4::bigint[], $5::text[])
            AS given (camera_id, stream, first_seq, last_seq, reason)
    ), gone AS (
        SELECT f.frame_id, n.reason FROM n JOIN dashboard.frames AS f
            ON f.camera_id = n.camera_id AND f.stream = n.stream AND f.bytes_state = 'awaited'
            AND f.seq BETWEEN n.first_seq AND n.last_seq
        UNION ALL
        SELECT f.frame_id, n.reason FROM n JOIN dashboard.frames AS f
            ON f.camera_id = n.camera_id AND f.stream = n.stream AND f.bytes_state = 'missing'
            AND f.seq BETWEEN n.first_seq AND n.last_seq
    )
    UPDATE dashboard.frames AS f
    SET bytes_state = 'lost', reason = 'LOST', details = gone.reason,
        analysis_state = CASE analysis_state WHEN 'waiting' THEN 'failed' ELSE analysis_state END
    FROM gone WHERE f.frame_id = gone.frame_id AND f.bytes_state IN ('awaited', 'missing')
    RETURNING f.frame_id
"""


async def lose(connection: Connection, losses: Sequence[Loss]) -> list[int]:
    """Mark frames whose bytes will never come; return their ids. Pinned ones stay pinned."""
    if not losses:
        return []
    rows = await connection.fetch(
        LOSE,
        [loss.camera_id for loss in losses],
        [loss.stream for loss in losses],
        [loss.first_seq for loss in losses],
        [loss.last_seq for loss in losses],
        [loss.reason for loss in losses],
    )
    return [row["frame_id"] for row in rows]


ERASE = """
    UPDATE dashboard.frames AS f
    SET bytes_state = 'erased', reason = 'ERASED', details = 'the camera removed the bytes',
        analysis_state = CASE analysis_state WHEN 'waiting' THEN 'failed' ELSE analysis_state END
    FROM unnest($1::integer[], $2::bytea[]) AS n (camera_id, digest)
    WHERE f.camera_id = n.camera_id AND f.digest = n.digest
      AND f.bytes_state IN ('awaited', 'missing')
    RETURNING f.frame_id
"""


async def erase_unfetched(connection: Connection, blocks: Collection[tuple[int, Cid]]) -> list[int]:
    """Mark frames whose bytes the camera removed before the hub had them; return their ids."""
    if not blocks:
        return []
    rows = await connection.fetch(
        ERASE, [camera_id for camera_id, _ in blocks], [cid.digest for _, cid in blocks]
    )
    return [row["frame_id"] for row in rows]
