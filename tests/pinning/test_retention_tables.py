"""The tables of retention: pins of older versions stay, and judging reads the pins once."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import psycopg
import pytest
from alembic import command

from pinhole.contract.cid import Cid
from pinhole.contract.policies import Policy
from pinhole.runtime.migrations import migrate
from pinhole.runtime.postgres import Pool
from pinning.retention import count
from pinning.retention.expiry import TAKE
from pinning.retention.holds import Guard
from pinning.retention.verdicts import Judgement, judgement
from tests.pinning.kept import NOW, policy
from tests.pinning.test_tables import FILL
from tests.support.plans import nodes as indexes_of

PIN = """
    INSERT INTO pinning.pins (requestid, owner, cid, created_at, status, kind, label_status)
    VALUES (%s, 'camera:harbour/gate-a', %s, '2020-01-01Z', 'pinned', 'frame', 'unsure')
"""


@pytest.mark.parametrize("used", [True, False])
def test_an_upgrade_keeps_every_pin_and_enforces_nothing_where_there_were_any(
    empty_postgres_dsn: str, used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = empty_postgres_dsn
    migrate_to(dsn, "0001", monkeypatch)
    requestid, cid = uuid4(), Cid.of(b"x").binary
    with psycopg.connect(dsn) as connection:
        if used:
            connection.execute(PIN, (requestid, cid))
    migrate(dsn, "pinning.migrations", "pinning")
    with psycopg.connect(dsn) as connection:
        pins = connection.execute(
            "SELECT requestid, cid, label_status, received_at FROM pinning.pins"
        ).fetchall()
        sets = connection.execute("SELECT version, enforced FROM pinning.policy_sets").fetchall()
    assert pins == ([(requestid, cid, "unsure", None)] if used else [])
    assert sets == [(1, not used)]


def migrate_to(dsn: str, revision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bring the schema to an older version."""
    upgrade = command.upgrade
    with monkeypatch.context() as patched:
        patched.setattr(command, "upgrade", lambda config, _newest: upgrade(config, revision))
        migrate(dsn, "pinning.migrations", "pinning")


async def _plan(pool: Pool, statement: str, *arguments: Any) -> list[str]:
    """Return every node of a plan as "type of relation"."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(count.TUNE)
        await connection.execute(count.TUNE_PLAN)
        plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", *arguments)
    nodes: list[str] = []

    def walk(node: dict[str, Any]) -> None:
        nodes.append(f"{node['Node Type']} of {node.get('Relation Name', '-')}")
        for child in node.get("Plans", []):
            walk(child)

    (explained,) = plan if isinstance(plan, list) else json.loads(plan)
    walk(explained["Plan"])
    return nodes


def _judged(*policies: Policy, **options: Any) -> Judgement:
    return judgement(policies, Guard(False, []), at=NOW, plausible_days=30, **options)


OVER = "SELECT count(*) FROM verdict WHERE until <= {now}"
SHIPPED = (
    policy("unlabelled", {"for_days": 90}, label_status=["none"]),
    policy("unsure", {"for_days": 30}, label_status=["unsure"]),
    policy("changed", {"for_ever": True}, label_status=["changed"]),
    policy("correct", {"for_days": 730, "archive_after_days": 365}, label_status=["correct"]),
)


async def test_all_pins_are_judged_in_one_pass_without_sorting_them(pool: Pool) -> None:
    await pool.execute(FILL)
    await pool.execute("ANALYZE pinning.pins")
    judged = _judged(*SHIPPED)
    over = judged.statement + OVER.format(now=judged.now)
    nodes = await _plan(pool, over, *judged.parameters.values)
    assert nodes.count("Seq Scan of pins") == 1
    assert not {"Sort of -", "Nested Loop of -", "WindowAgg of -"} & set(nodes)
    # What is freed is a second pass, and no look-up for each pin.
    nodes = await _plan(pool, count.counting(judged), *judged.parameters.values)
    assert nodes.count("Seq Scan of pins") == 2
    assert "Nested Loop of -" not in nodes


async def test_one_cid_is_judged_by_its_index_whatever_the_number_of_pins(pool: Pool) -> None:
    await pool.execute(FILL)
    await pool.execute("ANALYZE pinning.pins")
    judged = _judged(*SHIPPED, cids=[Cid.of(b"x")])
    over = judged.statement + OVER.format(now=judged.now)
    assert "Seq Scan of pins" not in await _plan(pool, over, *judged.parameters.values)


async def test_batches_find_what_is_over_by_its_key(pool: Pool) -> None:
    await pool.execute(FILL)
    await pool.execute(
        "INSERT INTO pinning.expired SELECT requestid, 1, 'x', '1' FROM pinning.pins LIMIT 20000"
    )
    await pool.execute("ANALYZE pinning.pins, pinning.expired")
    assert await indexes_of(pool, TAKE, 100) == {"expired_pkey", "pins_pkey"}


async def test_the_database_itself_forbids_holds_without_a_reason_or_half_lifted(
    pool: Pool,
) -> None:
    add = """
        INSERT INTO pinning.holds (hold, kind, reason, created_by, lifted_at)
        VALUES ($1, 'legal', $2, 'anna', $3)
    """
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute(add, uuid4(), " ", None)
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute(add, uuid4(), "court order", NOW + timedelta(days=1))
