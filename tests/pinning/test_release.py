"""What nobody needs goes; what anybody needs stays; adding and releasing exclude each other."""

import asyncio
import random
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web

from bench.ending import end_pins
from pinhole.contract.cid import Cid
from pinhole.contract.owners import Owner
from pinhole.contract.pins import Origin, Status
from pinhole.contract.scopes import Scope
from pinhole.runtime.kubo import KuboError, KuboRpc
from pinhole.runtime.postgres import Pool
from pinning import departures
from pinning.hub import Hub
from pinning.locks import lock
from pinning.release import Releaser
from tests.pinning.conftest import SITE, Caller, House, Service, Stage, StartService, frame
from tests.pinning.liar import Liar
from tests.support.polling import Eventually


async def _delete(caller: Caller, camera: str, requestid: str) -> int:
    owner = Owner.camera(SITE, camera)
    status, _ = await caller.acting_for(owner).call("DELETE", f"/pins/{requestid}")
    return status


async def test_the_block_goes_with_its_last_owner_not_with_the_first(
    stage: Stage, gate_a: str, eventually: Eventually
) -> None:
    dispatcher, hub, pool = stage.dispatcher, stage.hub, stage.pool
    await dispatcher.enrol("gate-b", Origin(gateway_url=stage.camera_node.gateway_url))
    cid = await stage.camera.block_put(frame())
    (a,), (b,) = await dispatcher.pin(gate_a, [cid]), await dispatcher.pin("gate-b", [cid])
    assert await _delete(dispatcher, gate_a, a.requestid) == 202
    assert await pool.fetchval("SELECT state FROM pinning.blocks") == "held"
    assert await hub.is_pinned(cid)
    assert await _delete(dispatcher, "gate-b", b.requestid) == 202

    async def is_gone() -> bool:
        return await hub.block_stat(cid) is None

    await eventually(is_gone)
    assert not await hub.is_pinned(cid)
    for table in ("pins", "bindings"):
        assert await pool.fetchval(f"SELECT count(*) FROM pinning.{table}") == 0  # noqa: S608

    async def is_forgotten() -> bool:
        return not await pool.fetchval("SELECT count(*) FROM pinning.blocks")

    await eventually(is_forgotten)


async def test_a_released_tree_takes_its_leaves_along_but_not_those_that_others_need(
    service: Service, hub: KuboRpc, eventually: Eventually
) -> None:
    anna = await service.caller("anna", Scope.BLOCKS_WRITE, Scope.PINS_WRITE)
    bert = await service.caller("bert", Scope.BLOCKS_WRITE)
    data = frame(4_000_000)
    leaf_size = 2_096_896
    leaves = [Cid.of(data[:leaf_size]), Cid.of(data[leaf_size:])]
    root = Cid.parse((await anna.push(data))["cid"])
    shared = Cid.parse((await bert.push(data[leaf_size:]))["cid"])
    assert shared == leaves[1]
    _, pin = await anna.call("POST", "/pins", json={"cid": str(root)})
    await anna.call("DELETE", f"/pins/{pin['requestid']}")

    async def is_gone() -> bool:
        return await hub.block_stat(root) is None and await hub.block_stat(leaves[0]) is None

    await eventually(is_gone)
    assert await hub.block_get(shared) == data[leaf_size:]
    assert await hub.is_pinned(shared)


async def test_what_is_put_again_while_it_waits_for_its_removal_stays(
    unreleasing: Service, hub: KuboRpc, pool: Pool
) -> None:
    anna = await unreleasing.caller("anna", Scope.BLOCKS_WRITE, Scope.PINS_WRITE)
    data = frame()
    cid = Cid.parse((await anna.push(data))["cid"])
    _, pin = await anna.call("POST", "/pins", json={"cid": str(cid)})
    await anna.call("DELETE", f"/pins/{pin['requestid']}")
    assert await pool.fetchval("SELECT state FROM pinning.blocks") == "releasing"

    stored = await anna.push(data)
    assert stored["duplicate"] is False  # anna's binding had gone
    assert await pool.fetchval("SELECT state FROM pinning.blocks") == "held"
    releaser = Releaser(pool, Hub(hub, timeout_s=10))
    assert await releaser.release_batch() == 0
    assert await hub.is_pinned(cid)


async def test_a_release_that_was_interrupted_anywhere_is_finished(
    unreleasing: Service, hub: KuboRpc, pool: Pool
) -> None:
    anna = await unreleasing.caller("anna", Scope.BLOCKS_WRITE, Scope.PINS_WRITE)
    cids = [Cid.parse((await anna.push(frame(500)))["cid"]) for _ in range(40)]
    for cid in cids:
        _, pin = await anna.call("POST", "/pins", json={"cid": str(cid)})
        await anna.call("DELETE", f"/pins/{pin['requestid']}")
    # As a killed process leaves it: some unpinned, some of those removed, none written down.
    await hub.pin_rm(cids[3:9])
    await hub.block_rm(cids[5:7])
    releaser = Releaser(pool, Hub(hub, timeout_s=10))
    released = 0
    while went := await releaser.release_batch():
        released += went
    assert released == 40
    assert [await hub.block_stat(cid) for cid in cids] == [None] * len(cids)
    assert await pool.fetchval("SELECT count(*) FROM pinning.blocks") == 0


async def test_a_release_waits_for_a_hub_that_is_away_and_forgets_nothing(
    unreleasing: Service, session: Any, hub: KuboRpc, pool: Pool, unused_port: int
) -> None:
    anna = await unreleasing.caller("anna", Scope.BLOCKS_WRITE, Scope.PINS_WRITE)
    cid = Cid.parse((await anna.push(frame()))["cid"])
    _, pin = await anna.call("POST", "/pins", json={"cid": str(cid)})
    await anna.call("DELETE", f"/pins/{pin['requestid']}")
    away = Hub(KuboRpc(session, f"http://127.0.0.1:{unused_port}"), timeout_s=1)
    with pytest.raises(KuboError):
        await Releaser(pool, away).release_batch()
    assert await pool.fetchval("SELECT state FROM pinning.blocks") == "releasing"
    assert await Releaser(pool, Hub(hub, timeout_s=10)).release_batch() == 1
    assert await hub.block_stat(cid) is None


async def test_adds_and_deletes_of_the_same_frames_by_many_at_once_leave_counts_and_blocks_right(
    stage: Stage, start_service: StartService, eventually: Eventually
) -> None:
    """Six cameras with the same eight frames, at two services, in random order."""
    dispatcher, hub, pool = stage.dispatcher, stage.hub, stage.pool
    second = Caller(dispatcher.session, (await start_service()).base, dispatcher.headers)
    cids = [await stage.camera.block_put(frame(3_000)) for _ in range(8)]
    cameras = [f"cam-{n}" for n in range(6)]
    for camera in cameras:
        await dispatcher.enrol(camera, Origin(gateway_url=stage.camera_node.gateway_url))
    kept: set[tuple[str, Cid]] = set()

    async def live(camera: str, chance: random.Random) -> None:
        mine: dict[Cid, str] = {}
        for _ in range(30):
            cid, caller = chance.choice(cids), chance.choice((dispatcher, second))
            if cid in mine:
                assert await _delete(caller, camera, mine.pop(cid)) == 202
            else:
                (result,) = await caller.pin(camera, [cid])
                assert result.status is Status.PINNED, result
                # Pinned means: the hub holds it now, whatever others delete meanwhile.
                assert await hub.is_pinned(cid)
                mine[cid] = result.requestid
        kept.update((camera, cid) for cid in mine)

    await asyncio.gather(
        # Seeded: a failure can be repeated.
        *(live(camera, random.Random(n)) for n, camera in enumerate(cameras))  # noqa: S311
    )

    async def is_released() -> bool:
        query = "SELECT count(*) FROM pinning.blocks WHERE state = 'releasing'"
        return not await pool.fetchval(query)

    await eventually(is_released, timeout_s=20)
    wanted = {cid for _, cid in kept}
    rows = await pool.fetch("SELECT owner, cid FROM pinning.bindings")
    assert {(row["owner"], Cid.from_binary(row["cid"])) for row in rows} == {
        (f"camera:{SITE}/{camera}", cid) for camera, cid in kept
    }
    rows = await pool.fetch("SELECT cid FROM pinning.blocks")
    assert {Cid.from_binary(row["cid"]) for row in rows} == wanted
    for cid in cids:
        assert (await hub.block_stat(cid) is not None) == (cid in wanted)
        assert await hub.is_pinned(cid) == (cid in wanted)


async def test_a_pin_deleted_while_its_bytes_are_on_the_way_keeps_nothing(
    unreleasing: Service, hub: KuboRpc, pool: Pool
) -> None:
    dispatcher = await unreleasing.caller("dispatcher", Scope.PINS_SERVICE)
    data, go_on, asked = frame(), asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        del request
        asked.set()
        await go_on.wait()
        return web.Response(body=data)

    async with Liar(slow) as origin:
        await dispatcher.enrol("slow", Origin(gateway_url=origin.url))
        (queued,) = await dispatcher.pin("slow", [Cid.of(data)], wait_s=0)
        await asked.wait()
        assert await _delete(dispatcher, "slow", queued.requestid) == 202
        go_on.set()
        # Another pin of the same bytes, which is not deleted, follows the same way.
        (result,) = await dispatcher.pin("slow", [Cid.of(data)])
        assert result.status is Status.PINNED
        assert await _delete(dispatcher, "slow", result.requestid) == 202
    assert await pool.fetchval("SELECT count(*) FROM pinning.bindings") == 0
    assert await pool.fetchval("SELECT count(*) FROM pinning.pins") == 0
    assert await Releaser(pool, Hub(hub, timeout_s=10)).release_batch() == 1


async def test_the_disk_has_the_bytes_back_after_a_release(
    house: House, pool: Pool, eventually: Eventually
) -> None:
    """200 blocks of 50 KB: 10 MB leave the hub's directory, save what its own log keeps."""
    anna = await house.service.caller("anna", Scope.BLOCKS_WRITE, Scope.PINS_WRITE)
    cids = [Cid.parse((await anna.push(frame(50_000)))["cid"]) for _ in range(200)]
    pins = [{"cid": str(cid)} for cid in cids]
    _, answer = await anna.call("POST", "/pins/batch", json={"pins": pins})

    def disk_bytes() -> int:
        blocks = house.node.repo / "blocks"
        return sum(file.stat().st_blocks * 512 for file in blocks.rglob("*.data"))

    full_bytes = await asyncio.to_thread(disk_bytes)
    assert full_bytes >= 10_000_000
    requestids = [UUID(result["requestid"]) for result in answer["results"]]
    dropped = await end_pins(pool, requestids[:190])
    assert dropped == departures.Dropped(blocks=190, size_bytes=9_500_000)

    async def is_freed() -> bool:
        return await asyncio.to_thread(disk_bytes) <= full_bytes - 9_500_000

    await eventually(is_freed, timeout_s=20)
    stat = await house.rpc.repo_stat()
    assert stat["RepoSize"] < full_bytes - 9_000_000
    assert all([await house.rpc.is_pinned(cid) for cid in cids[190:]])


async def test_pins_dropped_in_a_batch_leave_what_others_or_other_pins_need(
    unreleasing: Service, hub: KuboRpc, pool: Pool
) -> None:
    anna = await unreleasing.caller("anna", Scope.BLOCKS_WRITE, Scope.PINS_WRITE)
    bert = await unreleasing.caller("bert", Scope.BLOCKS_WRITE)
    data = [frame(), frame(), frame()]
    mine, twice, shared = [Cid.parse((await anna.push(one))["cid"]) for one in data]
    await bert.push(data[2])
    requestids = []
    for cid in (mine, twice, shared):
        _, pin = await anna.call("POST", "/pins", json={"cid": str(cid)})
        requestids.append(UUID(pin["requestid"]))
    await anna.call("POST", "/pins", json={"cid": str(twice)})
    dropped = await end_pins(pool, requestids)
    assert dropped.blocks == 1
    assert await end_pins(pool, requestids) == departures.NOTHING  # repeated: no harm
    rows = await pool.fetch("SELECT cid, state FROM pinning.blocks")
    assert {Cid.from_binary(row["cid"]): row["state"] for row in rows} == {
        mine: "releasing",
        twice: "held",
        shared: "held",
    }


async def test_a_release_passes_over_what_is_being_put_and_takes_the_rest(
    unreleasing: Service, hub: KuboRpc, pool: Pool
) -> None:
    anna = await unreleasing.caller("anna", Scope.BLOCKS_WRITE, Scope.PINS_WRITE)
    cids = [Cid.parse((await anna.push(frame(500)))["cid"]) for _ in range(3)]
    for cid in cids:
        _, pin = await anna.call("POST", "/pins", json={"cid": str(cid)})
        await anna.call("DELETE", f"/pins/{pin['requestid']}")
    releaser = Releaser(pool, Hub(hub, timeout_s=10))
    async with pool.acquire() as connection, connection.transaction():
        await lock(connection, cids[:1])  # a put of the first is under way
        assert await releaser.release_batch() == 2
        assert await hub.is_pinned(cids[0])
    assert await releaser.release_batch() == 1
