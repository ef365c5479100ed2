"""The queue's tables, and the smallest parts of dispatching."""

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment
from pgqueuer.adapters.persistence.queries import Queries

from dashboard_gateway import queue
from dashboard_gateway.backoff import LONGEST_S, delay_s
from dashboard_gateway.coalesce import Coalescer
from pinhole.runtime.postgres import Pool
from tests.dashboard_gateway.receiving.sending import count


async def test_tables_are_what_the_installed_pgqueuer_declares(postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn)
    try:
        queries = Queries(AsyncpgDriver(connection), qbe=QueryBuilderEnvironment(queue.SETTINGS))
        plan = await queries.plan_upgrade()
        assert list(plan.statements) == []
    finally:
        await connection.close()


async def test_names_of_the_tables_do_not_depend_on_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("CHANNEL", "FUNCTION", "TRIGGER", "PGQUEUER_PREFIX", "PGQUEUER_SCHEMA"):
        monkeypatch.setenv(name, "elsewhere")
    assert type(queue.SETTINGS)(**queue.SETTINGS.model_dump()) == queue.SETTINGS


async def test_job_names_at_most_64_frames(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await queue.enqueue_frames(connection, [range(1, 131), [], [7]])
        payloads = await connection.fetch("SELECT payload FROM dashboard.pgqueuer ORDER BY id")
    assert [len(queue.ids_of(row["payload"])) for row in payloads] == [64, 64, 2, 1]


async def test_job_that_is_rolled_back_was_never_there(pool: Pool) -> None:
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await queue.enqueue_frames(connection, [[1]])
        await transaction.rollback()
    assert await count(pool, "SELECT count(*) FROM dashboard.pgqueuer") == 0


def test_delays_double_and_stay_within_their_bound() -> None:
    for attempts in range(1, 100):
        longest_s = min(0.5 * 2 ** (attempts - 1), LONGEST_S)
        assert longest_s / 2 <= delay_s(attempts) <= longest_s


async def test_what_is_asked_while_a_call_is_under_way_goes_into_the_next() -> None:
    calls: list[list[int]] = []
    first_may_end = asyncio.Event()

    async def call(items: Sequence[int]) -> list[int]:
        calls.append(list(items))
        if len(calls) == 1:
            await first_may_end.wait()
        return [item * 2 for item in items]

    coalescer = Coalescer(call, most=3)
    first = asyncio.create_task(coalescer.submit(0))
    await asyncio.sleep(0)
    others = [asyncio.create_task(coalescer.submit(item)) for item in range(1, 6)]
    await asyncio.sleep(0)
    first_may_end.set()
    assert await asyncio.gather(first, *others) == [0, 2, 4, 6, 8, 10]
    assert calls == [[0], [1, 2, 3], [4, 5]]
    assert coalescer.is_idle


async def test_error_of_a_call_is_the_error_of_its_items_only() -> None:
    async def call(items: Sequence[int]) -> list[int]:
        if 2 in items:
            raise ValueError(items)
        return list(items)

    coalescer = Coalescer(call, most=2)
    results = await asyncio.gather(
        *(coalescer.submit(item) for item in range(6)), return_exceptions=True
    )
    assert [isinstance(result, ValueError) for result in results] == [
        *(False, False),
        *(True, True),
        *(False, False),
    ]


async def test_caller_that_went_away_is_not_asked_for() -> None:
    calls: list[list[int]] = []
    first_may_end = asyncio.Event()

    async def call(items: Sequence[int]) -> list[int]:
        calls.append(list(items))
        await first_may_end.wait()
        return list(items)

    coalescer = Coalescer(call, most=10)
    tasks = [asyncio.create_task(coalescer.submit(0))]
    await asyncio.sleep(0)
    tasks += [asyncio.create_task(coalescer.submit(item)) for item in (1, 2)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    first_may_end.set()
    assert [await tasks[0], await tasks[2]] == [0, 2]
    assert calls == [[0], [2]]
