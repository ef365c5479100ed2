"""The tables: made twice without harm, doubles forbidden, hot statements on their indexes."""

import importlib
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import psycopg
import pytest

from pinhole.contract.cid import Cid
from pinhole.runtime.migrations import migrate
from pinhole.runtime.postgres import Pool
from pinning import departures, ledger, schedule
from pinning.reconciling import differences
from tests.support.plans import nodes

first = importlib.import_module("pinning.migrations.versions.0001_pins")


def test_migrations_run_twice_change_nothing(empty_postgres_dsn: str) -> None:
    for _ in range(2):
        migrate(empty_postgres_dsn, "pinning.migrations", "pinning")


def test_an_upgrade_keeps_what_the_first_version_wrote(empty_postgres_dsn: str) -> None:
    """The first version alone, some rows, then all versions since."""
    with psycopg.connect(empty_postgres_dsn, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA pinning")
        for statements in (first.BLOCKS, first.PINS, first.INDEXES, first.ORIGINS):
            connection.execute(statements)
        connection.execute(
            "CREATE TABLE pinning.alembic_version (version_num varchar(32) PRIMARY KEY)"
        )
        connection.execute("INSERT INTO pinning.alembic_version VALUES ('0001')")
        connection.execute(BLOCK.replace("$1", "%s"), (CID,))
        connection.execute(BINDING.replace("$1", "%s"), (CID,))
        connection.execute(PIN.replace("$1", "%s").replace("$2", "%s"), (uuid4(), CID))
    migrate(empty_postgres_dsn, "pinning.migrations", "pinning")
    with psycopg.connect(empty_postgres_dsn) as connection:
        for table in ("blocks", "bindings", "pins"):
            row = connection.execute(f"SELECT cid FROM pinning.{table}").fetchone()  # noqa: S608
            assert row == (CID,), table
        connection.execute("UPDATE pinning.blocks SET state = 'missing'")


CID = Cid.of(b"x").binary
BLOCK = "INSERT INTO pinning.blocks (cid, is_tree, size_bytes) VALUES ($1, false, 1)"
BINDING = "INSERT INTO pinning.bindings (cid, owner, source) VALUES ($1, 'token:a', 'push')"
PIN = """
    INSERT INTO pinning.pins (requestid, owner, cid, created_at, batch_key, status)
    VALUES ($2, 'token:a', $1, 'epoch', 'a', 'failed')
"""


async def test_the_database_itself_forbids_what_must_not_be(pool: Pool) -> None:
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await pool.execute(BINDING, CID)  # bytes that are not held belong to nobody
    await pool.execute(BLOCK, CID)
    await pool.execute(BINDING, CID)
    with pytest.raises(asyncpg.UniqueViolationError):
        await pool.execute(BINDING, CID)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await pool.execute("DELETE FROM pinning.blocks")  # not while it belongs to somebody
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute(BLOCK, b"short")
    await pool.execute(PIN, CID, uuid4())
    with pytest.raises(asyncpg.UniqueViolationError):
        await pool.execute(PIN, CID, uuid4())
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute("UPDATE pinning.pins SET status = 'queued'")  # queued until when?


# 30,000 pins of three owners, a few of them unsettled, as a filled table has.
FILL = """
    WITH rows AS (
        SELECT n, '\\x01551220'::bytea || sha256(n::text::bytea) AS cid,
               'camera:harbour/gate-' || n % 3 AS owner
        FROM generate_series(1, 30000) AS n
    ), block AS (
        INSERT INTO pinning.blocks (cid, is_tree, size_bytes, state, releasing_at)
        SELECT cid, false, 1, CASE WHEN n % 1000 = 0 THEN 'releasing' ELSE 'held' END
            ::pinning.block_state, CASE WHEN n % 1000 = 0 THEN now() END FROM rows
    ), pin AS (
        INSERT INTO pinning.pins (requestid, owner, cid, created_at, status, next_attempt_at)
        SELECT gen_random_uuid(), owner, cid, timestamptz 'epoch' + n * interval '1 second',
               CASE WHEN n % 1000 = 0 THEN 'queued' ELSE 'pinned' END::pinning.status,
               CASE WHEN n % 1000 = 0 THEN now() END FROM rows
    )
    INSERT INTO pinning.bindings (cid, owner, source)
    SELECT cid, owner, 'origin' FROM rows WHERE n % 1000 <> 0
"""


async def test_hot_statements_use_their_indexes_when_the_tables_are_filled(pool: Pool) -> None:
    await pool.execute(FILL)
    await pool.execute("ANALYZE pinning.pins, pinning.blocks, pinning.bindings")
    owner = "camera:harbour/gate-1"
    lease = timedelta(seconds=30)
    assert await nodes(pool, schedule.TAKE_UP, 100, lease) == {"pins_due", "pins_pkey"}
    assert await nodes(pool, departures.TAKE, 32) == {"blocks_releasing"}
    assert await nodes(pool, departures.TREES) == {"blocks_trees"}  # few, as they should be
    assert await nodes(pool, departures.UNCLAIMED, datetime.now(UTC), 200) == {"bindings_expiring"}
    assert await nodes(pool, departures.STILL_RELEASING, [CID]) == {"blocks_pkey", "bindings_pkey"}
    assert await nodes(pool, departures.FORGET, [CID]) == {"blocks_pkey"}
    assert await nodes(pool, departures.UNBIND, [CID], [owner]) == {
        "bindings_pkey",
        "pins_cid_owner_batch_key_key",
    }
    assert await nodes(pool, departures.LET_GO, [CID]) == {"blocks_pkey", "bindings_pkey"}
    assert await nodes(pool, differences.SAMPLE, [CID]) == {"blocks_pkey"}
    assert await nodes(pool, ledger.IS_ANOTHERS, CID, owner) == {
        "bindings_pkey",
        "pins_cid_owner_batch_key_key",
    }
    read = await nodes(pool, ledger.READ, [CID], [owner])
    assert {"blocks_pkey", "bindings_pkey", "pins_cid_owner_batch_key_key"} <= read
    assert not {node for node in read if node.startswith("all of")} - {"all of tombstones"}
