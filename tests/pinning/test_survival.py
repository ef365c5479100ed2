"""Killed, cut off, left alone: what was accepted is finished, and trouble shows."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from pinhole.contract.cid import Cid
from pinhole.contract.pins import Origin, Status
from pinhole.contract.scopes import Scope
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool
from pinhole.runtime.tokens import create_token
from pinhole.stack.kubo_node import KuboNode
from pinhole.stack.kubo_profile import Role
from pinhole.stack.program import running
from pinning.locks import lock
from tests.pinning.conftest import SITE, Caller, Service, StartService, frame
from tests.pinning.liar import Liar
from tests.support.kubo import Swarm
from tests.support.polling import Eventually

Start = Callable[[], Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def start_process(
    postgres_dsn: str,
    hub_kubo: KuboNode,
    unused_port: int,
    session: aiohttp.ClientSession,
    eventually: Eventually,
) -> AsyncIterator[Start]:
    """Start `python -m pinning` on `unused_port`, again after it was killed."""
    started: list[asyncio.subprocess.Process] = []
    environment = {
        **os.environ,
        "PINNING_PORT": str(unused_port),
        "PINNING_POSTGRES_DSN": postgres_dsn,
        "PINNING_KUBO_RPC_URL": hub_kubo.rpc_url,
        "PINNING_KUBO_GATEWAY_URL": hub_kubo.gateway_url,
        # A lease of 6 s: how long a killed process's pins wait for the next one.
        "PINNING_FETCH_TIMEOUT_S": "1",
        "PINNING_BITSWAP_TIMEOUT_S": "1",
        "PINNING_KUBO_TIMEOUT_S": "2",
        "PINNING_FETCHES_PER_ORIGIN": "2",
    }

    async def is_ready() -> bool:
        try:
            async with session.get(f"http://127.0.0.1:{unused_port}/healthz") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def start() -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pinning", env=environment
        )
        started.append(process)
        await eventually(is_ready, timeout_s=30)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.fixture
async def dispatch(pool: Pool, session: aiohttp.ClientSession, unused_port: int) -> Caller:
    """The dispatcher of the service on `unused_port`."""
    secret = await create_token(pool, "dispatcher", [Scope.PINS_SERVICE])
    base = f"http://127.0.0.1:{unused_port}"
    return Caller(session, base, {"Authorization": f"Bearer {secret}"})


async def test_a_service_killed_in_the_middle_of_batches_finishes_them_after_its_restart(
    start_process: Start, dispatch: Caller, pool: Pool, hub: KuboRpc, eventually: Eventually
) -> None:
    frames = {str(Cid.of(data)): data for data in (frame(2_000) for _ in range(150))}

    async def slow_camera(request: web.Request) -> web.Response:
        await asyncio.sleep(0.02)
        return web.Response(body=frames[request.path.rpartition("/")[2]])

    async def pinned() -> int:
        return int(await pool.fetchval("SELECT count(*) FROM pinning.pins WHERE status = 'pinned'"))

    process = await start_process()
    async with Liar(slow_camera) as camera:
        await dispatch.enrol("slow", Origin(gateway_url=camera.url))
        await dispatch.pin("slow", map(Cid.parse, frames), wait_s=0)
        for target in (20, 60, 100):

            async def has_reached(count: int = target) -> bool:
                return await pinned() >= count

            await eventually(has_reached, timeout_s=30)
            process.send_signal(signal.SIGKILL)
            await process.wait()
            assert await pinned() < len(frames)
            process = await start_process()

        async def is_whole() -> bool:
            return await pinned() == len(frames)

        await eventually(is_whole, timeout_s=40)
    for table in ("pins", "bindings", "blocks"):
        count = await pool.fetchval(f"SELECT count(*) FROM pinning.{table}")  # noqa: S608
        assert count == len(frames), table
    for cid in frames:
        assert await hub.is_pinned(Cid.parse(cid))


@asynccontextmanager
async def _own_hub(swarm: Swarm) -> AsyncIterator[tuple[KuboNode, AsyncExitStack]]:
    """Prepare a hub that the test starts and stops: enter it into the stack, close the stack."""
    node = await asyncio.to_thread(swarm.node, Role.HUB)
    await asyncio.to_thread(node.prepare, swarm.key)
    async with AsyncExitStack() as stack:
        yield node, stack


async def _run(node: KuboNode, stack: AsyncExitStack) -> None:
    program = running(node.program())
    await asyncio.to_thread(program.__enter__)
    stack.push_async_callback(asyncio.to_thread, program.__exit__, None, None, None)


async def _health(service: Service) -> tuple[int, dict[str, str]]:
    async with service.session.get(f"{service.base}/healthz") as response:
        return response.status, (await response.json())["parts"]


async def test_a_hub_that_goes_away_and_comes_back_loses_no_pin_and_shows_in_the_health_check(
    swarm: Swarm,
    start_service: StartService,
    camera_kubo: KuboNode,
    camera_rpc: KuboRpc,
    eventually: Eventually,
) -> None:
    async with _own_hub(swarm) as (node, hub_runs):
        await _run(node, hub_runs)
        service = await start_service(
            kubo_rpc_url=node.rpc_url, kubo_gateway_url=node.gateway_url, max_attempts=1
        )
        dispatcher = await service.caller("d", Scope.PINS_SERVICE, Scope.BLOCKS_WRITE)
        await dispatcher.enrol("gate-a", Origin(gateway_url=camera_kubo.gateway_url))
        cids = [await camera_rpc.block_put(frame()) for _ in range(3)]
        (result,) = await dispatcher.pin("gate-a", cids[:1])
        assert result.status is Status.PINNED
        assert (await _health(service))[0] == 200

        await hub_runs.aclose()
        waiting = await dispatcher.pin("gate-a", cids[1:], wait_s=1)
        assert [(r.status, r.reason) for r in waiting] == [(Status.QUEUED, "HUB_UNAVAILABLE")] * 2
        status, answer = await dispatcher.call("POST", "/api/v1/blocks", data=frame())
        assert (status, answer["error"]["reason"]) == (503, "HUB_UNAVAILABLE")

        async def is_red() -> bool:
            status, parts = await _health(service)
            return status == 503 and "does not answer" in parts["hub"]

        await eventually(is_red)

        await _run(node, hub_runs)
        results = await dispatcher.pin("gate-a", cids[1:], wait_s=20)
        assert {r.status for r in results} == {Status.PINNED}
        assert [r.requestid for r in results] == [r.requestid for r in waiting]
        rpc = KuboRpc(service.session, node.rpc_url)
        assert [await rpc.is_pinned(cid) for cid in cids] == [True] * 3

        async def is_green() -> bool:
            return (await _health(service))[0] == 200

        await eventually(is_green)


async def test_cut_database_connections_are_made_anew_and_work_goes_on(
    service: Service, dispatcher: Caller, gate_a: str, camera_rpc: KuboRpc, pool: Pool
) -> None:
    before = await camera_rpc.block_put(frame())
    await dispatcher.pin(gate_a, [before])
    await pool.execute(
        """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'pinning' AND datname = current_database()
        """
    )
    after = await camera_rpc.block_put(frame())
    body = {"site": SITE, "camera": gate_a, "pins": [{"cid": str(after)}]}

    async def pinned() -> Any:
        status, answer = await dispatcher.call("POST", "/pins/batch?wait_s=5", json=body)
        # Whoever is told 503 keeps what it has and asks again.
        return status == 200 and answer["results"][0]["status"] == "pinned"

    for _ in range(20):
        if await pinned():
            break
    else:
        pytest.fail("the service did not recover within 20 calls")


async def test_a_healthy_service_says_so_of_each_of_its_parts(service: Service) -> None:
    status, parts = await _health(service)
    assert status == 200
    assert set(parts) == {
        *("hub", "keeper-1", "keeper-2", "worker", "releaser-1", "releaser-2"),
        *("expiry", "unclaimed", "pressure", "reconciler", "postgres"),
    }
    assert set(parts.values()) == {"ok"}


async def test_a_lane_that_stands_still_turns_the_health_check_red_and_goes_on_afterwards(
    start_service: StartService, pool: Pool, eventually: Eventually
) -> None:
    service = await start_service(kubo_timeout_s=0.25)  # a lane stalls after 8 of these
    uploader = await service.caller("uploader", Scope.BLOCKS_WRITE)
    data = frame()
    async with pool.acquire() as connection:
        async with connection.transaction():
            await lock(connection, [Cid.of(data)])  # somebody holds the block and hangs
            push = asyncio.create_task(uploader.push(data))

            async def is_red() -> bool:
                status, parts = await _health(service)
                return status == 503 and "no progress" in parts["keeper-1"] + parts["keeper-2"]

            await eventually(is_red)
            assert not push.done()
        assert (await push)["duplicate"] is False

    async def is_green() -> bool:
        return (await _health(service))[0] == 200

    await eventually(is_green)


async def test_metrics_tell_how_bytes_came_what_waits_and_how_many_trees_there_are(
    service: Service, dispatcher: Caller, gate_a: str, camera_rpc: KuboRpc, eventually: Eventually
) -> None:
    await dispatcher.push(frame(3_000_000))
    await dispatcher.pin(gate_a, [await camera_rpc.block_put(frame()), Cid.of(frame())])

    async def text() -> str:
        async with service.session.get(f"{service.base}/metrics") as response:
            return await response.text()

    async def is_measured() -> bool:
        return "pinhole_pinning_recursive_pins 1.0" in await text()

    await eventually(is_measured, timeout_s=15)
    metrics = await text()
    assert 'pinhole_pinning_pins{status="failed"} 1.0' in metrics
    assert 'pinhole_pinning_fetched_bytes_total{source="origin"}' in metrics
    assert 'pinhole_pinning_attempts_total{outcome="NOT_AT_ORIGIN"}' in metrics
    assert "pinhole_pinning_keep_seconds_bucket" in metrics
    assert "pinhole_pinning_hub_up 1.0" in metrics
