"""The tables of imports: they come to a database in use, and forbid what must not be."""

import asyncio
from importlib.resources import as_file, files

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from pinhole.contract.cid import Cid
from pinhole.contract.owners import Owner
from pinhole.runtime.migrations import migrate
from pinhole.runtime.postgres import Pool, create_pool
from pinning import ledger
from pinning.importing import journal
from pinning.importing.files import Skip, Skipped
from pinning.importing.journal import Counts

OWNER = Owner.token("store")


def _migrate_to(dsn: str, version: str) -> None:
    engine = create_engine(dsn.replace("postgresql://", "postgresql+psycopg://"))
    with as_file(files("pinning.migrations")) as folder, engine.connect() as connection:
        connection.execute(text("CREATE SCHEMA pinning"))
        connection.commit()
        config = Config()
        config.set_main_option("script_location", str(folder))
        config.attributes.update(connection=connection, schema="pinning")
        command.upgrade(config, version)
    engine.dispose()


async def test_an_upgrade_from_the_first_version_keeps_what_is_there(
    empty_postgres_dsn: str,
) -> None:
    await asyncio.to_thread(_migrate_to, empty_postgres_dsn, "0001")
    async with await create_pool(empty_postgres_dsn, max_size=1) as pool:
        cid = Cid.of(b"x").binary
        await pool.execute(
            "INSERT INTO pinning.blocks (cid, is_tree, size_bytes) VALUES ($1, false, 1)", cid
        )
        binding = "INSERT INTO pinning.bindings (cid, owner, source) VALUES ($1, 'token:a', $2)"
        await pool.execute(binding, cid, "push")
    await asyncio.to_thread(migrate, empty_postgres_dsn, "pinning.migrations", "pinning")
    async with await create_pool(empty_postgres_dsn, max_size=1) as pool:
        await pool.execute(binding.replace("token:a", "token:b"), cid, "import")
        rows = await pool.fetch("SELECT owner, source FROM pinning.bindings ORDER BY owner")
        assert [tuple(row) for row in rows] == [("token:a", "push"), ("token:b", "import")]
        assert await journal.newest(pool) == []


async def test_one_tree_has_one_unfinished_import_for_an_owner(pool: Pool) -> None:
    first = await journal.begin(pool, "/store", OWNER)
    again = await journal.begin(pool, "/store", OWNER)
    assert again.import_id == first.import_id
    assert again.runner != first.runner
    other = await journal.begin(pool, "/store", Owner.token("other"))
    assert other.import_id != first.import_id
    await journal.finish(pool, again)
    assert (await journal.begin(pool, "/store", OWNER)).import_id != first.import_id


async def test_who_was_taken_over_writes_nothing_more(pool: Pool) -> None:
    first = await journal.begin(pool, "/store", OWNER)
    await journal.begin(pool, "/store", OWNER)
    skipped = [Skipped("a", Skip.MISNAMED, "no")]
    async with pool.acquire() as connection:
        with pytest.raises(journal.TakenOver):
            await journal.advance(connection, first, "a", Counts(skipped=1), skipped)
    with pytest.raises(journal.TakenOver):
        await journal.finish(pool, first)
    assert await pool.fetchval("SELECT sum(skipped) FROM pinning.imports") == 0
    assert await pool.fetchval("SELECT count(*) FROM pinning.import_skips") == 0


async def test_a_file_is_skipped_once_in_an_import(pool: Pool) -> None:
    run = await journal.begin(pool, "/store", OWNER)
    skipped = [Skipped("a", Skip.MISNAMED, "no")]
    async with pool.acquire() as connection:
        await journal.advance(connection, run, "a", Counts(skipped=1), skipped)
        with pytest.raises(asyncpg.UniqueViolationError):
            await journal.advance(connection, run, "a", Counts(skipped=1), skipped)
    assert [skip async for skip in journal.skips(pool, run)] == skipped


# 30,000 skipped files of a hundred imports, and as many held blocks.
FILL = """
    WITH run AS (
        INSERT INTO pinning.imports (import_id, tree, owner, runner)
        SELECT gen_random_uuid(), '/store-' || n, 'token:a', gen_random_uuid()
        FROM generate_series(1, 100) AS n RETURNING import_id
    ), skip AS (
        INSERT INTO pinning.import_skips (import_id, path, reason, details)
        SELECT import_id, n::text::bytea, 'MISNAMED', 'no' FROM run, generate_series(1, 300) AS n
    ), block AS (
        INSERT INTO pinning.blocks (cid, is_tree, size_bytes)
        SELECT '\\x01551220'::bytea || sha256(n::text::bytea), false, 1
        FROM generate_series(1, 30000) AS n RETURNING cid
    )
    INSERT INTO pinning.bindings (cid, owner, source) SELECT cid, 'token:a', 'import' FROM block
"""


async def test_the_statements_of_every_chunk_and_every_read_use_their_indexes(pool: Pool) -> None:
    await pool.execute(FILL)
    await pool.execute(
        "ANALYZE pinning.imports, pinning.import_skips, pinning.blocks, pinning.bindings"
    )
    run = (await journal.newest(pool))[0]
    cid = Cid.of(b"1").binary
    for statement, arguments, index in (
        (ledger.PLACE, (cid, "token:a"), "bindings_pkey"),
        (ledger.PLACE, (cid, "token:a"), "blocks_pkey"),
        (journal.SKIPS, (run.import_id,), "import_skips_pkey"),
    ):
        plan = str(await pool.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", *arguments))
        assert index in plan, statement
        assert "Seq Scan" not in plan, statement
