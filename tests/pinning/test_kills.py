"""SIGKILL at random moments of releasing and reconciling: resumed, counted right, no more gone.

Ten times in every run; a hundred in the long form.
"""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import aiohttp
import pytest

from bench.ending import end_pins
from pinhole.contract.cid import Cid
from pinhole.contract.ids import uuid7
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool
from pinhole.stack.kubo_node import KuboNode
from pinhole.stack.kubo_profile import Role
from pinning.reconciling import runs
from tests.support.kubo import Swarm
from tests.support.polling import Eventually

OWNER = "camera:harbour/old"
FILL = """
    WITH new AS (
        SELECT * FROM unnest($1::bytea[], $2::uuid[]) WITH ORDINALITY AS n (cid, requestid, number)
    ), block AS (
        INSERT INTO pinning.blocks (cid, is_tree, size_bytes, held_at)
        SELECT cid, false, 500, now() - interval '1 day' FROM new
    ), binding AS (
        INSERT INTO pinning.bindings (cid, owner, source, claimed_at)
        SELECT cid, $3, 'origin', now() FROM new
    )
    INSERT INTO pinning.pins (requestid, owner, cid, created_at, status)
    SELECT requestid, $3, cid, now() - number * interval '1 ms', 'pinned' FROM new
"""
ROUNDS = [
    # Starting the service takes 2 s, on a loaded machine 10.
    pytest.param(10, id="ten", marks=pytest.mark.timeout(400)),
    pytest.param(100, id="hundred", marks=[pytest.mark.long, pytest.mark.timeout(1800)]),
]
EACH = 40


class Killed:
    """`python -m pinning`, started and killed again and again."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pinning", env=self._environment
        )

    async def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()
            self._process = None


@pytest.fixture
async def own_hub(swarm: Swarm) -> AsyncIterator[KuboNode]:
    """A node of this test's own: every block in it is accounted for."""
    started = swarm.started(Role.HUB, init_profile="flatfs")
    yield await asyncio.to_thread(started.__enter__)
    await asyncio.to_thread(started.__exit__, None, None, None)


@pytest.fixture
async def node(own_hub: KuboNode, session: aiohttp.ClientSession) -> KuboRpc:
    return KuboRpc(session, own_hub.rpc_url)


@pytest.fixture
async def service(own_hub: KuboNode, postgres_dsn: str, unused_port: int) -> AsyncIterator[Killed]:
    environment = {
        **os.environ,
        "PINNING_PORT": str(unused_port),
        "PINNING_POSTGRES_DSN": postgres_dsn,
        "PINNING_KUBO_RPC_URL": own_hub.rpc_url,
        "PINNING_KUBO_GATEWAY_URL": own_hub.gateway_url,
        "PINNING_RECONCILE_HOUR": "-1",
        "PINNING_RELEASE_EVERY_S": "0.05",
        "PINNING_ORPHAN_GRACE_HOURS": "0",
    }
    killed = Killed(environment)
    yield killed
    await killed.kill()


async def fill(node: KuboRpc, pool: Pool, count: int) -> dict[Cid, UUID]:
    """Hold `count` blocks as the service would; return their pins."""
    turns = asyncio.Semaphore(8)

    async def put() -> Cid:
        async with turns:
            return await node.block_put(os.urandom(500))

    cids = await asyncio.gather(*(put() for _ in range(count)))
    for first in range(0, count, 32):
        await node.pin_add(cids[first : first + 32])
    requestids = [uuid7() for _ in cids]
    await pool.execute(FILL, [cid.binary for cid in cids], requestids, OWNER)
    return dict(zip(cids, requestids, strict=True))


async def held(node: KuboRpc) -> tuple[set[Cid], set[bytes]]:
    """Return the node's direct pins, and the digests of its blocks."""
    pins = {cid async for cid in node.pins()}
    return pins, {Cid.parse(text).digest async for text in node.blocks()}


@asynccontextmanager
async def accounted(node: KuboRpc, pool: Pool, stay: set[Cid]) -> AsyncIterator[None]:
    """Check at the end that node and ledger hold exactly `stay` (and Kubo's empty directory)."""
    _, before = await held(node)
    others = before - {cid.digest async for cid in node.pins()}
    yield
    pins, blocks = await held(node)
    assert pins == stay
    assert blocks - others == {cid.digest for cid in stay}
    for table in ("blocks", "bindings", "pins"):
        rows = await pool.fetch(f"SELECT cid FROM pinning.{table}")  # noqa: S608
        assert {Cid.from_binary(row["cid"]) for row in rows} == stay, table
    assert await pool.fetchval("SELECT bool_and(state = 'held') FROM pinning.blocks")


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_a_release_killed_at_random_moments_releases_what_was_asked_and_nothing_else(
    node: KuboRpc, pool: Pool, service: Killed, rounds: int, eventually: Eventually
) -> None:
    chance = random.Random(rounds)  # noqa: S311 - repeatable
    pins = await fill(node, pool, EACH * (rounds + 1))
    cids = list(pins)
    stay = set(cids[:EACH])
    async with accounted(node, pool, stay):
        for number in range(1, rounds + 1):
            going = [pins[cid] for cid in cids[number * EACH : (number + 1) * EACH]]
            await service.start()
            await end_pins(pool, going)
            left = chance.randrange(EACH)

            async def is_between(left: int = left) -> bool:
                query = "SELECT count(*) FROM pinning.blocks WHERE state = 'releasing'"
                return int(await pool.fetchval(query)) <= left + EACH // 2

            await eventually(is_between, timeout_s=30)
            # Anywhere within the next lot: about 40 ms.
            await asyncio.sleep(chance.random() * 0.05)
            await service.kill()
        await service.start()

        async def is_done() -> bool:
            query = "SELECT count(*) FROM pinning.blocks WHERE state = 'releasing'"
            return not await pool.fetchval(query)

        await eventually(is_done, timeout_s=30)


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_a_reconciliation_killed_at_random_moments_ends_with_everything_in_its_place(
    node: KuboRpc, pool: Pool, service: Killed, rounds: int, eventually: Eventually
) -> None:
    """Each round loses pins and gains orphans; every run is killed once and then ends."""
    chance = random.Random(rounds)  # noqa: S311 - repeatable
    stay = set(await fill(node, pool, 4 * EACH))
    await service.start()
    async with accounted(node, pool, stay):
        for _ in range(rounds):
            await node.pin_rm(chance.sample(sorted(stay, key=str), EACH))
            for _ in range(5):
                orphan = await node.block_put(os.urandom(500))
                await node.pin_add([orphan])
            run_id = await runs.request(
                pool, "test", repair=True, remove_orphans=True, max_share=1, sample_blocks=30
            )

            async def is_begun(run_id: UUID = run_id) -> bool:
                query = "SELECT state <> 'requested' FROM pinning.reconciliations WHERE run_id = $1"
                return bool(await pool.fetchval(query, run_id))

            await eventually(is_begun, timeout_s=30)
            await asyncio.sleep(chance.random() * 0.3)
            await service.kill()
            await service.start()

            async def is_over(run_id: UUID = run_id) -> bool:
                run = await runs.find(pool, run_id)
                return run is not None and run.is_over

            await eventually(is_over, timeout_s=60)
            run = await runs.find(pool, run_id)
            assert run is not None
            assert run.still_differ == 0, run
            assert {cid async for cid in node.pins()} == stay
