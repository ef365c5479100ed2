"""Release: frames that nobody needs leave the hub, while others keep arriving.

Real blocks in the hub's Kubo, their rows in PostgreSQL. Their pins end in batches of 500, as a
policy ends them, and the running service unpins and removes the blocks; 50 frames a second arrive
from a camera meanwhile, each asked for alone. Beside it: what the node does with nobody around it,
direct pin/rm of all and then block/rm of all, in the same run; and the arrivals with no release.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import aiohttp

from bench import senders
from bench.ending import end_pins
from bench.figure import Figure, at_most, ratio_at_least, spread
from bench.scale import Scale
from bench.stage import Stage
from pinhole.contract.cid import Cid
from pinhole.contract.ids import uuid7
from pinhole.contract.pins import BatchPin, BatchPinRequest, BatchPinResults, Origin, Status
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool, create_pool

SIZE_BYTES = 20_000  # a plate crop; removing a block costs the same at any size
RATE = 50
CAMERA = "arriving"
FLOOR_BATCH = 32
DROP_BATCH = 500
_AT_ONCE = 8
_FREED_WITHIN_S = 60.0
_ENOUGH = 0.9

INSERT = """
    WITH new AS (
        SELECT * FROM unnest($1::bytea[], $2::uuid[]) WITH ORDINALITY AS n (cid, requestid, number)
    ), block AS (
        INSERT INTO pinning.blocks (cid, is_tree, size_bytes) SELECT cid, false, $3 FROM new
    ), binding AS (
        INSERT INTO pinning.bindings (cid, owner, source, claimed_at)
        SELECT cid, 'camera:bench/old', 'origin', now() FROM new
    )
    INSERT INTO pinning.pins (requestid, owner, cid, created_at, status, settled_at, size_bytes)
    SELECT requestid, 'camera:bench/old', cid, now() - number * interval '1 second', 'pinned',
           now(), $3 FROM new
"""
LEFT = "SELECT count(*) FROM pinning.blocks WHERE state = 'releasing'"


@dataclass(frozen=True)
class Parts:
    """What a measurement talks to."""

    hub: KuboRpc
    pinning: aiohttp.ClientSession
    pool: Pool
    camera: KuboRpc
    repo: Path


def measure(stage: Stage, scale: Scale) -> list[Figure]:
    """Return the rows of releasing, floors first."""
    _ = stage.pinning, stage.camera_node
    return asyncio.run(_measure(stage, scale.released_blocks))


async def _measure(stage: Stage, count: int) -> list[Figure]:
    async with AsyncExitStack() as stack:
        parts = await _parts(stage, stack)
        own = await _fill(parts.hub, count // 4)
        cids = await _fill(parts.hub, count)
        floor = await _floor(parts.hub, own)
        async with _arrivals(parts) as alone_s:
            await asyncio.sleep(5)
        requestids = [uuid7() for _ in cids]
        await parts.pool.execute(INSERT, [cid.binary for cid in cids], requestids, SIZE_BYTES)
        await parts.pool.execute("ANALYZE pinning.pins, pinning.blocks, pinning.bindings")
        full_bytes = await asyncio.to_thread(_disk_bytes, parts.repo)
        async with _arrivals(parts) as meanwhile_s:
            rate = len(cids) / await _release(parts.pool, requestids)
        await _check_gone(parts.hub, cids)
        freed = await _freed(parts.repo, full_bytes, count)
        return _figures(
            count, floor=floor, rate=rate, alone_s=alone_s, meanwhile_s=meanwhile_s, freed=freed
        )


def _figures(
    count: int,
    *,
    floor: float,
    rate: float,
    alone_s: Sequence[float],
    meanwhile_s: Sequence[float],
    freed: dict[str, float],
) -> list[Figure]:
    own = Figure(
        name="the node's own pin/rm of all, then block/rm of all",
        value=floor,
        unit="blocks/s",
        source=f"direct pins, batches of {FLOOR_BATCH}, one after the other, nothing else running",
    )
    alone = Figure(
        name="slowest of the frames that arrive with no release",
        value=max(alone_s) * 1e3,
        unit="ms",
        source=f"{RATE} frames a second, each from asking to `pinned`: the machine's own hiccups",
        details=spread(alone_s),
    )
    return [
        own,
        Figure(
            name=f"release of {count:,} blocks while {RATE} frames/s arrive",
            value=rate,
            unit="blocks/s",
            source="the first pin dropped → the last block's row gone, through the service",
            beside=own,
            budgets=[ratio_at_least(0.85)],
        ),
        alone,
        Figure(
            name="slowest of the frames that arrive meanwhile",
            value=max(meanwhile_s) * 1e3,
            unit="ms",
            source=f"{RATE} frames a second, each from asking to `pinned`",
            beside=alone,
            budgets=[at_most(50)],
            details=spread(meanwhile_s),
        ),
        Figure(
            name="share of the released bytes that the disk has back",
            value=freed["share"],
            unit="",
            source=f"size on disk of the node's repository, at most {_FREED_WITHIN_S:g} s later: "
            "pebble gives back when it compacts; flatfs at once, tested",
            details=freed,
        ),
    ]


async def _parts(stage: Stage, stack: AsyncExitStack) -> Parts:
    token = stage.service_secret("pinning", "pinning_kubo_rpc_token")
    headers = {
        "Authorization": f"Bearer {stage.service_secret('dashboard', 'dashboard_pinning_token')}"
    }
    session = await stack.enter_async_context(aiohttp.ClientSession())
    pinning = await stack.enter_async_context(aiohttp.ClientSession(stage.pinning, headers=headers))
    pool = await stack.enter_async_context(await create_pool(stage.dsn, max_size=2))
    node = stage.camera_node
    origin = Origin(gateway_url=node.gateway_url, peer_id=node.peer_id)
    path = f"/api/v1/origins/{senders.SITE}/{CAMERA}"
    async with pinning.put(path, data=origin.wire()) as answer:
        assert answer.status == 200, await answer.text()
    return Parts(
        hub=KuboRpc(session, stage.hub.rpc_url, token=token),
        pinning=pinning,
        pool=pool,
        camera=KuboRpc(session, node.rpc_url, token=node.rpc_token),
        repo=stage.hub.repo,
    )


async def _fill(rpc: KuboRpc, count: int) -> list[Cid]:
    """Store `count` new blocks, directly pinned."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def put() -> Cid:
        async with turns:
            return await rpc.block_put(os.urandom(SIZE_BYTES))

    cids = []
    for start in range(0, count, 1000):  # bounded: a thousand bodies in memory
        some = await asyncio.gather(*(put() for _ in range(min(1000, count - start))))
        for first in range(0, len(some), FLOOR_BATCH):
            await rpc.pin_add(some[first : first + FLOOR_BATCH])
        cids += some
    return cids


async def _floor(rpc: KuboRpc, cids: Sequence[Cid]) -> float:
    """Return blocks a second."""

    async def each(step: Callable[[Sequence[Cid]], Awaitable[None]]) -> None:
        for start in range(0, len(cids), FLOOR_BATCH):
            await step(cids[start : start + FLOOR_BATCH])

    started = time.perf_counter()
    await each(rpc.pin_rm)
    await each(rpc.block_rm)
    return len(cids) / (time.perf_counter() - started)


@asynccontextmanager
async def _arrivals(parts: Parts) -> AsyncIterator[list[float]]:
    """Let RATE frames a second arrive; the list fills with each one's seconds until `pinned`."""
    times_s: list[float] = []
    stopped = asyncio.Event()

    async def one() -> None:
        cid = await parts.camera.block_put(os.urandom(SIZE_BYTES))
        begin = time.perf_counter()
        asked = BatchPinRequest(site=senders.SITE, camera=CAMERA, pins=[BatchPin(cid=cid)])
        async with parts.pinning.post("/pins/batch?wait_s=5", data=asked.wire()) as answer:
            results = BatchPinResults.model_validate_json(await answer.read()).results
        assert [result.status for result in results] == [Status.PINNED], results
        times_s.append(time.perf_counter() - begin)

    async def run() -> None:
        begin, number = time.perf_counter(), 0
        async with asyncio.TaskGroup() as group:
            while not stopped.is_set():
                due = begin + number / RATE
                number += 1
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                group.create_task(one())

    running = asyncio.create_task(run())
    await asyncio.sleep(1)
    times_s.clear()  # warmed up
    yield times_s
    stopped.set()
    await running


async def _release(pool: Pool, requestids: Sequence[UUID]) -> float:
    """Drop pins and wait until their blocks are gone; return the seconds."""
    started = time.perf_counter()
    for start in range(0, len(requestids), DROP_BATCH):
        await end_pins(pool, requestids[start : start + DROP_BATCH])
    while await pool.fetchval(LEFT):  # noqa: ASYNC110 - another process removes them
        await asyncio.sleep(0.1)
    return time.perf_counter() - started


async def _check_gone(rpc: KuboRpc, cids: Sequence[Cid]) -> None:
    for cid in cids[:: max(1, len(cids) // 200)]:
        assert await rpc.block_stat(cid) is None, f"{cid} was released and is there"


async def _freed(repo: Path, full_bytes: int, count: int) -> dict[str, float]:
    """Return how much the repository shrank, waiting for what the store does by itself."""
    began = time.perf_counter()
    while True:
        size_bytes = await asyncio.to_thread(_disk_bytes, repo)
        share = (full_bytes - size_bytes) / (count * SIZE_BYTES)
        waited_s = time.perf_counter() - began
        if share >= _ENOUGH or waited_s > _FREED_WITHIN_S:
            break
        await asyncio.sleep(1)
    return {
        "share": round(share, 3),
        "waited_s": round(waited_s, 1),
        "before_mb": round(full_bytes / 1e6, 1),
        "after_mb": round(size_bytes / 1e6, 1),
    }


def _disk_bytes(repo: Path) -> int:
    """Return what the repository takes on the disk, as `du` counts."""
    return sum(path.stat().st_blocks * 512 for path in repo.rglob("*") if path.is_file())
