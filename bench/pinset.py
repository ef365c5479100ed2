"""A table of many pins, as an archive of frames has them, written by PostgreSQL itself."""

from typing import Final

from pinhole.contract.owners import Owner
from pinhole.runtime.postgres import Connection

OWNER: Final = Owner.token("archive")

# One frame every seven seconds from 2026 on, of fifty cameras in turn; a day's frames are a batch.
# One in a thousand failed, as many wait.
PINS: Final = """
    INSERT INTO pinning.pins (requestid, owner, cid, created_at, status, next_attempt_at,
                              settled_at, name, meta, batch_key, event_id, kind, camera, size_bytes)
    SELECT gen_random_uuid(), $1, cid, created_at, status,
           CASE status WHEN 'queued' THEN 'infinity'::timestamptz END,
           CASE WHEN status <> 'queued' THEN created_at END,
           name, meta, n::text, 'event-' || n, 'frame', meta ->> 'camera_id', 200000
    FROM (
        SELECT n, '\\x01551220'::bytea || sha256(n::text::bytea) AS cid,
               timestamptz '2026-01-01 00:00Z' + n * interval '7 seconds' AS created_at,
               CASE n % 1000 WHEN 0 THEN 'failed' WHEN 1 THEN 'queued' ELSE 'pinned' END
                   ::pinning.status AS status,
               'gate-' || n % 50 || '/frame-' || n || '.jpg' AS name,
               jsonb_build_object('event_id', 'event-' || n, 'kind', 'frame',
                   'camera_id', 'gate-' || n % 50, 'batch', 'day-' || n / 12343,
                   'label_status', (ARRAY['correct', 'changed', 'unsure'])[1 + n % 3]) AS meta
        FROM generate_series(1, $2) AS n
    ) AS rows
"""


async def fill(connection: Connection, count: int) -> None:
    """Write `count` pins of `OWNER` in the usual way, with every trigger and index."""
    await connection.execute(PINS, OWNER.text, count, timeout=600)
    await connection.execute("ANALYZE pinning.pins, pinning.facets")
