"""Claim → pinned: what the dispatcher waits for, and the ways to get a block to the hub.

Frames of 200 KB lie at a camera's Kubo, as they do when the event arrives. 50 a second are asked
for, each alone, as the dispatcher asks for what comes singly. Beside it: Kubo's own bitswap as it
comes, with our setting, and the bare steps of the chosen way without a service around them.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from itertools import islice

import aiohttp

from bench import held, pictures, senders
from bench.figure import Figure, at_most, spread
from bench.scale import Scale
from bench.stage import Stage
from pinhole.contract.cid import Cid
from pinhole.contract.pins import BatchPin, BatchPinRequest, BatchPinResults, Origin, Status
from pinhole.runtime.kubo import KuboRpc, TrustlessGateway
from pinhole.stack.kubo_node import KuboNode
from pinhole.stack.kubo_profile import Role

SIZE_BYTES = 200_000
RATE = 50
CAMERA = "claimed"

Step = Callable[[Cid], Awaitable[None]]


def measure(stage: Stage, scale: Scale) -> list[Figure]:
    """Return the rows of pinning, floors first."""
    _ = stage.pinning
    count = scale.spaced_frames
    few = max(20, count // 5)  # bitswap waits 41 ms a frame
    as_it_comes = stage.node("default-bitswap", Role.CAMERA, before=_forget_our_bitswap)
    rows = [
        _bitswap(stage, as_it_comes, few, "bitswap as Kubo comes, block/get + pin"),
        _bitswap(stage, stage.camera_node, few, "bitswap with our profile, block/get + pin"),
        _bare(stage, count),
    ]
    served = asyncio.run(_served(stage, count))
    source = (
        f"POST /pins/batch?wait_s= of one frame of 200 KB, {RATE} due a second → answered `pinned`"
    )
    rows += [
        Figure(
            name="claim → pinned, p50",
            value=served["p50_ms"],
            unit="ms",
            source=source,
            beside=rows[0],
            budgets=[at_most(6)],
            details=served,
        ),
        Figure(
            name="claim → pinned, p99",
            value=served["p99_ms"],
            unit="ms",
            source=source,
            budgets=[at_most(30)],
            details=served,
        ),
    ]
    return rows


def _forget_our_bitswap(node: KuboNode) -> None:
    """Leave bitswap on this node as Kubo ships it."""
    path = node.repo / "config"
    config = json.loads(path.read_text())
    del config["Internal"]["Bitswap"]
    path.write_text(json.dumps(config))


def _bitswap(stage: Stage, camera: KuboNode, count: int, name: str) -> Figure:
    async def run() -> list[float]:
        async with AsyncExitStack() as stack:
            hub, _ = await _hub(stage, stack)

            async def step(cid: Cid) -> None:
                await hub.block_get(cid)
                await hub.pin_add([cid])

            cids = await held.put_all(camera, None, _made(count))
            return await _paced(step, cids)

    return _floor(name, asyncio.run(run()), "one 200 KB block over bitswap, then a direct pin")


def _bare(stage: Stage, count: int) -> Figure:
    async def run() -> list[float]:
        async with AsyncExitStack() as stack:
            hub, session = await _hub(stage, stack)
            origin = TrustlessGateway(session, stage.camera_node.gateway_url)

            async def step(cid: Cid) -> None:
                await hub.block_put(await origin.fetch(cid))
                await hub.pin_add([cid])

            cids = await held.put_all(stage.camera_node, None, _made(count))
            return await _paced(step, cids)

    return _floor(
        "origin's gateway → verify → block/put → pin, no service",
        asyncio.run(run()),
        "the steps of the chosen way, one after the other, nothing recorded",
    )


def _floor(name: str, times_s: list[float], source: str) -> Figure:
    details = spread(times_s)
    return Figure(
        name=name,
        value=details["p50_ms"],
        unit="ms",
        source=f"{source}; {RATE} due a second",
        details=details,
    )


async def _hub(stage: Stage, stack: AsyncExitStack) -> tuple[KuboRpc, aiohttp.ClientSession]:
    session = await stack.enter_async_context(aiohttp.ClientSession())
    token = stage.service_secret("pinning", "pinning_kubo_rpc_token")
    return KuboRpc(session, stage.hub.rpc_url, token=token), session


async def _served(stage: Stage, count: int) -> dict[str, float]:
    token = stage.service_secret("dashboard", "dashboard_pinning_token")
    headers = {"Authorization": f"Bearer {token}"}
    cids = await held.put_all(stage.camera_node, None, _made(count))
    async with aiohttp.ClientSession(stage.pinning, headers=headers) as session:
        await _tell_origin(session, stage.camera_node)

        async def step(cid: Cid) -> None:
            asked = BatchPinRequest(site=senders.SITE, camera=CAMERA, pins=[BatchPin(cid=cid)])
            async with session.post("/pins/batch?wait_s=5", data=asked.wire()) as answer:
                results = BatchPinResults.model_validate_json(await answer.read()).results
            assert [result.status for result in results] == [Status.PINNED], results

        return spread(await _paced(step, cids))


async def _tell_origin(session: aiohttp.ClientSession, node: KuboNode) -> None:
    origin = Origin(gateway_url=node.gateway_url, peer_id=node.peer_id)
    path = f"/api/v1/origins/{senders.SITE}/{CAMERA}"
    async with session.put(path, data=origin.wire()) as answer:
        assert answer.status == 200, await answer.text()


async def _paced(step: Step, cids: Sequence[Cid]) -> list[float]:
    """Begin `step` for RATE CIDs a second; return each one's time from when it was due."""
    begin = time.perf_counter() + 0.1

    async def one(number: int, cid: Cid) -> float:
        due = begin + number / RATE
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await step(cid)
        return time.perf_counter() - due

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number, cid)) for number, cid in enumerate(cids)]
    warm_up = len(tasks) // 10
    return [task.result() for task in tasks[warm_up:]]


def _made(count: int) -> list[bytes]:
    return list(islice(pictures.of_size(SIZE_BYTES, pictures.rendered(1)[0]), count))
