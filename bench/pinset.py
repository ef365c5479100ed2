"""A table of many pins, as an archive of frames has them, written by PostgreSQL itself.

One frame every seven seconds from 2026 on, of fifty cameras in turn; 12,343 of them are a batch.
One in a thousand failed, as many wait.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from pinhole.contract.cid import Cid
from pinhole.contract.owners import Owner
from pinhole.runtime.postgres import Connection

NAME: Final = "archive"
OWNER: Final = Owner.token(NAME)
CAMERAS: Final = 50
_A_BATCH: Final = 12_343
_TIMEOUT_S: Final = 1_800

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
               'gate-' || n % $3 || '/frame-' || n || '.jpg' AS name,
               jsonb_build_object('event_id', 'event-' || n, 'kind', 'frame',
                   'camera_id', 'gate-' || n % $3, 'batch', 'batch-' || n / $4,
                   'label_status', (ARRAY['correct', 'changed', 'unsure'])[1 + n % 3]) AS meta
        FROM generate_series(1, $2) AS n
    ) AS rows
"""
FACETS: Final = """
    INSERT INTO pinning.facets
    SELECT DISTINCT facet, created_at
    FROM pinning.pins, LATERAL pinning.facets_of(owner, name, meta) AS facet ORDER BY 1, 2
"""
INDEXES: Final = """
    SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'pinning' AND tablename = 'pins'
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = indexname)
"""


def instant_of(number: int) -> datetime:
    """Return when the pin of this number was asked for."""
    return datetime(2026, 1, 1, tzinfo=UTC) + number * timedelta(seconds=7)


def cid_of(number: int) -> Cid:
    """Return its CID."""
    return Cid.of(str(number).encode())


def name_of(number: int) -> str:
    """Return its name."""
    return f"gate-{number % CAMERAS}/frame-{number}.jpg"


def batch_of(number: int) -> str:
    """Return the batch that it is in."""
    return f"batch-{number // _A_BATCH}"


async def fill(connection: Connection, count: int) -> None:
    """Write `count` pins of `OWNER` in the usual way, with every trigger and index."""
    await _insert(connection, count)
    await connection.execute("ANALYZE pinning.pins, pinning.facets")


async def fill_fast(connection: Connection, count: int) -> None:
    """Write the same into an empty table, indexes after rows: a third of the time at a million."""
    indexes = await connection.fetch(INDEXES)
    await connection.execute("SET maintenance_work_mem = '512MB'")
    await connection.execute("ALTER TABLE pinning.pins DISABLE TRIGGER USER")
    for row in indexes:
        await connection.execute(f'DROP INDEX pinning."{row["indexname"]}"')
    await _insert(connection, count)
    await connection.execute(FACETS, timeout=_TIMEOUT_S)
    for row in indexes:
        await connection.execute(row["indexdef"], timeout=_TIMEOUT_S)
    await connection.execute("ALTER TABLE pinning.pins ENABLE TRIGGER USER")
    await connection.execute("VACUUM ANALYZE pinning.pins, pinning.facets", timeout=_TIMEOUT_S)


async def _insert(connection: Connection, count: int) -> None:
    await connection.execute(PINS, OWNER.text, count, CAMERAS, _A_BATCH, timeout=_TIMEOUT_S)
