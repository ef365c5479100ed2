"""A hub that fills up: what goes early, what is refused, and that cameras' frames come last."""

from typing import Any

import pytest

from pinhole.contract.cid import Cid
from pinhole.contract.pins import Origin, Status
from pinhole.contract.scopes import Scope
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool
from pinhole.stack.kubo_node import KuboNode
from pinning.keys import PRESSURE
from pinning.pressure import Level
from pinning.room import Limits, Usage, room
from tests.pinning.conftest import Caller, Service, StartService, frame
from tests.support.polling import Eventually

GIGABYTE = 10**9


@pytest.fixture
async def store_bytes(hub: KuboRpc) -> int:
    """What the hub's store has now."""
    return (await hub.repo_stat())["RepoSize"]


def test_room_is_what_is_left_below_the_nearer_limit_and_names_value_and_limit() -> None:
    limits = Limits(quota_bytes=1_000, min_free_bytes=100, headroom_bytes=50)
    quota = room(limits, Usage(store_bytes=900, free_bytes=500))
    assert quota.size_bytes == 100
    assert "900" in quota.sentence
    assert "1,000" in quota.sentence
    disk = room(limits, Usage(store_bytes=900, free_bytes=80))
    assert disk.size_bytes == -20
    assert "80 bytes free, 100 have to stay" in disk.sentence
    assert room(Limits(None, 100, 50), Usage(900, None)).size_bytes > 10**18


async def test_a_node_tells_how_many_bytes_its_disk_can_still_take(hub: KuboRpc) -> None:
    assert await hub.disk_free() > 0


async def _refusal(caller: Caller, method: str, path: str, **body: Any) -> str:
    status, answer = await caller.call(method, path, **body)
    assert (status, answer["error"]["reason"]) == (503, "HUB_FULL"), answer
    return str(answer["error"]["details"])


async def _is_at(service: Service, level: Level) -> bool:
    await service.app[PRESSURE].look()
    return service.app[PRESSURE].level is level


async def test_a_tight_hub_refuses_what_is_of_low_value_and_keeps_cameras_frames(
    start_service: StartService,
    camera_kubo: KuboNode,
    camera_rpc: KuboRpc,
    store_bytes: int,
    eventually: Eventually,
) -> None:
    quota = store_bytes + GIGABYTE
    service = await start_service(quota_bytes=quota, headroom_bytes=2 * GIGABYTE)
    dispatcher = await service.caller("d", Scope.PINS_SERVICE)
    anna = await service.caller("anna", Scope.BLOCKS_WRITE, Scope.PINS_WRITE)
    await dispatcher.enrol("gate-a", Origin(gateway_url=camera_kubo.gateway_url))
    await eventually(lambda: _is_at(service, Level.TIGHT))
    told = await _refusal(anna, "POST", "/api/v1/blocks", data=frame())
    assert f"its quota is {quota:,}" in told
    await _refusal(anna, "POST", "/pins", json={"cid": str(Cid.of(frame()))})
    await _refusal(anna, "POST", "/pins/batch", json={"pins": [{"cid": str(Cid.of(frame()))}]})
    (kept,) = await dispatcher.pin("gate-a", [await camera_rpc.block_put(frame())])
    assert kept.status is Status.PINNED


async def test_a_full_hub_leaves_frames_at_their_cameras_and_takes_them_when_there_is_room(
    start_service: StartService,
    camera_kubo: KuboNode,
    camera_rpc: KuboRpc,
    store_bytes: int,
    eventually: Eventually,
) -> None:
    service = await start_service(quota_bytes=max(1, store_bytes - 1), headroom_bytes=0)
    dispatcher = await service.caller("d", Scope.PINS_SERVICE)
    await dispatcher.enrol("gate-a", Origin(gateway_url=camera_kubo.gateway_url))
    await eventually(lambda: _is_at(service, Level.FULL))
    cid = await camera_rpc.block_put(frame())
    (waiting,) = await dispatcher.pin("gate-a", [cid], wait_s=1)
    assert (waiting.status, waiting.reason) == (Status.QUEUED, "HUB_FULL")

    async def is_told() -> bool:
        async with service.session.get(f"{service.base}/healthz") as response:
            return "nothing is taken in" in (await response.json())["parts"]["pressure"]

    await eventually(is_told)
    async with service.session.get(f"{service.base}/metrics") as response:
        assert 'pinhole_pinning_pressure{level="full"} 1.0' in await response.text()
    # The operator raises the quota: another service on the same tables takes the frame up.
    await start_service()
    (kept,) = await dispatcher.pin("gate-a", [cid], wait_s=20)
    assert kept.requestid == waiting.requestid

    async def is_pinned() -> bool:
        query = "SELECT status = 'pinned' FROM pinning.pins"
        return bool(await service.pool.fetchval(query))

    await eventually(is_pinned, timeout_s=20)


async def test_unclaimed_bytes_go_before_their_time_when_room_is_short(
    start_service: StartService, hub: KuboRpc, pool: Pool, store_bytes: int, eventually: Eventually
) -> None:
    service = await start_service()
    anna = await service.caller("anna", Scope.BLOCKS_WRITE, Scope.PINS_WRITE)
    old, young, claimed = [Cid.parse((await anna.push(frame()))["cid"]) for _ in range(3)]
    await anna.call("POST", "/pins", json={"cid": str(claimed)})
    await pool.execute(
        "UPDATE pinning.bindings SET expires_at = now() + interval '20 hours' WHERE cid = $1",
        old.binary,
    )
    tight = await start_service(quota_bytes=store_bytes + GIGABYTE, headroom_bytes=2 * GIGABYTE)

    async def is_gone() -> bool:
        await tight.app[PRESSURE].look()
        return await hub.block_stat(old) is None

    await eventually(is_gone)
    assert await hub.is_pinned(young)
    assert await hub.is_pinned(claimed)


async def test_bytes_that_nobody_claimed_in_time_go_and_claimed_ones_stay(
    start_service: StartService, hub: KuboRpc, pool: Pool, eventually: Eventually
) -> None:
    service = await start_service(expire_every_s=0.1)
    anna = await service.caller("anna", Scope.BLOCKS_WRITE, Scope.PINS_WRITE)
    bert = await service.caller("bert", Scope.BLOCKS_WRITE)
    data = frame()
    unclaimed, claimed = [Cid.parse((await anna.push(frame()))["cid"]) for _ in range(2)]
    shared = Cid.parse((await anna.push(data))["cid"])
    await bert.push(data)
    await anna.call("POST", "/pins", json={"cid": str(claimed)})
    await pool.execute(
        "UPDATE pinning.bindings SET expires_at = now() "
        "WHERE owner = 'token:anna' AND expires_at IS NOT NULL"
    )

    async def is_gone() -> bool:
        return await hub.block_stat(unclaimed) is None

    await eventually(is_gone)
    owners = await pool.fetch("SELECT owner FROM pinning.bindings WHERE cid = $1", shared.binary)
    assert [row["owner"] for row in owners] == ["token:bert"]
    assert await hub.is_pinned(shared)
    assert await hub.is_pinned(claimed)
