"""Whose bytes they are: a binding needs the bytes from their owner, whatever the hub holds."""

from typing import Any

import pytest

from pinhole.contract.cid import Cid
from pinhole.contract.owners import Owner
from pinhole.contract.pins import Origin, Status
from pinhole.contract.scopes import Scope
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool
from pinhole.stack.kubo_node import KuboNode
from pinhole.stack.kubo_profile import Role
from tests.pinning import liar
from tests.pinning.conftest import SITE, Caller, Service, frame
from tests.pinning.liar import Liar
from tests.support.kubo import StartNode
from tests.support.polling import Eventually


async def _owners(pool: Pool, cid: Cid) -> set[str]:
    rows = await pool.fetch("SELECT owner FROM pinning.bindings WHERE cid = $1", cid.binary)
    return {row["owner"] for row in rows}


async def test_two_cameras_with_the_same_frame_share_a_block_and_each_has_its_own_pin(
    dispatcher: Caller, gate_a: str, camera_kubo: KuboNode, camera_rpc: KuboRpc, pool: Pool
) -> None:
    await dispatcher.enrol("gate-b", Origin(gateway_url=camera_kubo.gateway_url))
    cid = await camera_rpc.block_put(frame())
    (first,), (second,) = (
        await dispatcher.pin(gate_a, [cid]),
        await dispatcher.pin("gate-b", [cid]),
    )
    assert first.status is second.status is Status.PINNED
    assert first.requestid != second.requestid
    assert await _owners(pool, cid) == {"camera:harbour/gate-a", "camera:harbour/gate-b"}
    assert await pool.fetchval("SELECT count(*) FROM pinning.blocks") == 1


async def test_a_camera_that_names_another_cameras_frame_gets_nothing(
    dispatcher: Caller, gate_a: str, camera_rpc: KuboRpc, start_kubo: StartNode, pool: Pool
) -> None:
    cid = await camera_rpc.block_put(frame())
    await dispatcher.pin(gate_a, [cid])
    thief = start_kubo(Role.CAMERA)
    await dispatcher.enrol("thief", Origin(gateway_url=thief.gateway_url))
    (result,) = await dispatcher.pin("thief", [cid])
    assert (result.status, result.reason) == (Status.FAILED, "NOT_AT_ORIGIN")
    assert await _owners(pool, cid) == {"camera:harbour/gate-a"}


async def test_the_bytes_are_fetched_from_a_second_owner_though_the_hub_has_them(
    dispatcher: Caller, gate_a: str, camera_rpc: KuboRpc, pool: Pool
) -> None:
    cid = await camera_rpc.block_put(frame())
    await dispatcher.pin(gate_a, [cid])
    async with Liar(liar.other_bytes) as origin:
        await dispatcher.enrol("liar", Origin(gateway_url=origin.url))
        (result,) = await dispatcher.pin("liar", [cid])
        assert origin.asked == 1
    assert (result.status, result.reason) == (Status.FAILED, "HASH_MISMATCH")
    assert await _owners(pool, cid) == {"camera:harbour/gate-a"}


async def test_bitswap_proves_no_owner_of_bytes_that_another_owner_named(
    dispatcher: Caller, gate_a: str, camera_kubo: KuboNode, camera_rpc: KuboRpc, pool: Pool
) -> None:
    """Bitswap asks every connected peer: the other owner's own node would answer."""
    address = camera_kubo.addresses[0].split("/p2p/")[0]
    await dispatcher.enrol("dark", Origin(peer_id=camera_kubo.peer_id, addresses=[address]))
    held = await camera_rpc.block_put(frame())
    await dispatcher.pin(gate_a, [held])
    # Named by gate-a as well, but never come to the hub: its gateway does not have it.
    named = Cid.of(data := frame())
    await dispatcher.pin(gate_a, [named])
    await camera_rpc.block_put(data)
    for result in await dispatcher.pin("dark", [held, named]):
        assert (result.status, result.reason) == (Status.FAILED, "NOT_AT_ORIGIN")
    assert await _owners(pool, held) == {"camera:harbour/gate-a"}
    assert await _owners(pool, named) == set()


async def test_an_outside_client_that_names_a_cameras_frame_gets_nothing(
    service: Service, dispatcher: Caller, gate_a: str, camera_rpc: KuboRpc, eventually: Eventually
) -> None:
    held, unknown = await camera_rpc.block_put(frame()), Cid.of(frame())
    await dispatcher.pin(gate_a, [held])
    stranger = await service.client("stranger")
    answers: list[Any] = []
    for cid in (held, unknown):
        _, pin = await stranger.call("POST", "/pins", json={"cid": str(cid)})

        async def failed(requestid: str = pin["requestid"]) -> Any:
            _, found = await stranger.call("GET", f"/pins/{requestid}")
            return found if found["status"] == "failed" else None

        answers.append(await eventually(failed, timeout_s=20))
    # The answers are the same, so they do not tell which of the two the hub has.
    for answer, cid in zip(answers, (held, unknown), strict=True):
        assert answer["info"]["reason"] == "NOT_AT_ORIGIN"
        answer["info"]["status_details"] = answer["info"]["status_details"].replace(str(cid), "…")
    assert answers[0]["info"] == answers[1]["info"]


async def test_a_push_binds_to_the_owner_that_the_service_names(
    dispatcher: Caller, camera_rpc: KuboRpc, pool: Pool, hub: KuboRpc
) -> None:
    owner = Owner.camera(SITE, "gate-c")
    data = frame()
    stored = await dispatcher.acting_for(owner).push(data)
    cid = Cid.parse(stored["cid"])
    assert await _owners(pool, cid) == {owner.text}
    assert await hub.is_pinned(cid)
    # The camera has no origin: what it pushed is pinned without one.
    (result,) = await dispatcher.pin("gate-c", [cid])
    assert result.status is Status.PINNED


async def test_duplicate_is_told_per_owner(service: Service) -> None:
    anna = await service.caller("anna", Scope.BLOCKS_WRITE)
    bert = await service.caller("bert", Scope.BLOCKS_WRITE)
    data = frame()
    assert (await anna.push(data))["duplicate"] is False
    assert (await bert.push(data))["duplicate"] is False
    assert (await anna.push(data))["duplicate"] is True


async def test_a_push_settles_the_pins_that_wait_for_the_bytes(
    dispatcher: Caller, gate_a: str, service: Service
) -> None:
    data = frame()
    (missing,) = await dispatcher.pin(gate_a, [Cid.of(data)], meta={"event_id": "1"})
    assert missing.status is Status.FAILED
    owner = Owner.camera(SITE, gate_a)
    await dispatcher.acting_for(owner).push(data)
    _, pin = await dispatcher.acting_for(owner).call("GET", f"/pins/{missing.requestid}")
    assert pin["status"] == "pinned"
    assert "reason" not in pin["info"]


async def test_only_a_service_acts_for_other_owners(service: Service) -> None:
    owner = Owner.camera(SITE, "gate-a")
    for name, caller in {
        "client": await service.caller("client", Scope.PINS_WRITE, Scope.BLOCKS_WRITE),
        "guard": await service.caller("guard", Scope.PINS_WRITE, cameras=[f"{SITE}/gate-b"]),
    }.items():
        status, answer = await caller.acting_for(owner).call("POST", "/api/v1/blocks", data=b"x")
        assert (status, answer["error"]["reason"]) == (403, "FORBIDDEN"), name
        body = {"site": SITE, "camera": "gate-a", "pins": [{"cid": str(Cid.of(b"x"))}]}
        status, answer = await caller.call("POST", "/pins/batch", json=body)
        assert (status, answer["error"]["reason"]) == (403, "FORBIDDEN"), name


async def test_an_orchestrator_pins_for_the_cameras_that_its_token_names(
    service: Service, gate_a: str, camera_rpc: KuboRpc
) -> None:
    n8n = await service.caller("n8n", Scope.PINS_WRITE, cameras=[f"{SITE}/gate-a"])
    (result,) = await n8n.pin(gate_a, [await camera_rpc.block_put(frame())])
    assert result.status is Status.PINNED


@pytest.mark.parametrize("owner", ["camera:gate-a", "camera:harbour/", "anna", "token:", "x:y"])
async def test_an_owner_that_is_none_is_refused(dispatcher: Caller, owner: str) -> None:
    caller = Caller(
        dispatcher.session, dispatcher.base, {**dispatcher.headers, "Pinhole-Owner": owner}
    )
    status, answer = await caller.call("POST", "/api/v1/blocks", data=b"x")
    assert (status, answer["error"]["reason"]) == (422, "INVALID_OWNER")
