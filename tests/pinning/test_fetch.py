"""Bytes come from their owner, verified; whatever else comes is told by its reason."""

import asyncio

import pytest
from aiohttp import web

from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid, Codec
from pinhole.contract.pins import Origin, Status
from pinhole.contract.scopes import Scope
from pinhole.runtime.kubo import KuboRpc
from pinhole.stack.kubo_node import KuboNode
from tests.pinning import liar
from tests.pinning.conftest import Caller, StartService, frame
from tests.pinning.liar import Answer, Liar


async def test_a_frame_is_fetched_from_its_camera_verified_and_pinned_directly(
    dispatcher: Caller, gate_a: str, camera_rpc: KuboRpc, hub: KuboRpc
) -> None:
    data = frame(200_000)
    cid = await camera_rpc.block_put(data)
    assert await hub.block_stat(cid) is None
    (result,) = await dispatcher.pin(gate_a, [cid])
    assert (result.cid, result.status, result.reason) == (cid, Status.PINNED, None)
    assert await hub.is_pinned(cid, kind="direct")
    assert not await hub.is_pinned(cid, kind="recursive")
    assert await hub.block_get(cid) == data


async def test_a_frame_of_the_largest_size_is_one_block_still(
    dispatcher: Caller, gate_a: str, camera_rpc: KuboRpc, hub: KuboRpc
) -> None:
    cid = await camera_rpc.block_put(frame(MAX_BLOCK_BYTES))
    (result,) = await dispatcher.pin(gate_a, [cid])
    assert result.status is Status.PINNED
    assert await hub.block_stat(cid) == MAX_BLOCK_BYTES


async def test_a_frame_that_its_camera_does_not_have_fails_and_the_others_are_pinned(
    dispatcher: Caller, gate_a: str, camera_rpc: KuboRpc
) -> None:
    there, gone = await camera_rpc.block_put(frame()), Cid.of(frame())
    good, bad = await dispatcher.pin(gate_a, [there, gone])
    assert good.status is Status.PINNED
    assert (bad.status, bad.reason, bad.retryable) == (Status.FAILED, "NOT_AT_ORIGIN", False)


async def test_a_camera_without_an_address_fails_without_any_request(dispatcher: Caller) -> None:
    await dispatcher.enrol("nowhere", Origin(peer_id="12D3KooWNowhere"))
    await dispatcher.enrol("nameless", Origin(addresses=["/ip4/127.0.0.1/tcp/4001"]))
    for camera in ("unknown", "nowhere", "nameless"):
        (result,) = await dispatcher.pin(camera, [Cid.of(frame())])
        assert (result.status, result.reason) == (Status.FAILED, "UNKNOWN_ORIGIN"), camera


async def test_a_camera_has_frames_and_no_trees(dispatcher: Caller, gate_a: str) -> None:
    tree = Cid(Cid.of(frame()).digest, Codec.DAG_PB)
    (result,) = await dispatcher.pin(gate_a, [tree])
    assert (result.status, result.reason) == (Status.FAILED, "CID_CODEC")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (liar.other_bytes, "HASH_MISMATCH"),
        (liar.html, "HASH_MISMATCH"),
        (liar.nothing, "HASH_MISMATCH"),
        (liar.endless(200), "TOO_LARGE"),
        (liar.announces_gigabytes, "TOO_LARGE"),
    ],
    ids=["other bytes", "html", "no bytes", "endless", "announced as huge"],
)
async def test_a_lying_origin_gets_nothing_into_the_hub(
    dispatcher: Caller, hub: KuboRpc, answer: Answer, reason: str
) -> None:
    async with Liar(answer) as origin:
        await dispatcher.enrol("liar", Origin(gateway_url=origin.url))
        cid = Cid.of(frame())
        (result,) = await dispatcher.pin("liar", [cid])
    assert (result.status, result.reason, result.retryable) == (Status.FAILED, reason, False)
    assert await hub.block_stat(cid) is None


@pytest.mark.parametrize(
    "answer",
    [liar.broken, liar.endless(500), liar.hanging],
    ids=["broken", "endless error page", "hanging"],
)
async def test_an_origin_without_a_whole_answer_is_tried_again_and_then_given_up(
    start_service: StartService, answer: Answer
) -> None:
    service = await start_service(fetch_timeout_s=0.3)
    dispatcher = await service.caller("dispatcher", Scope.PINS_SERVICE)
    async with Liar(answer) as origin:
        await dispatcher.enrol("flaky", Origin(gateway_url=origin.url))
        (result,) = await dispatcher.pin("flaky", [Cid.of(frame())], wait_s=20)
        assert (result.status, result.reason) == (Status.FAILED, "ORIGIN_UNREACHABLE")
        assert result.retryable
        assert origin.asked == 3  # max_attempts of these tests' settings


async def test_a_redirect_is_not_followed(dispatcher: Caller, camera_kubo: KuboNode) -> None:
    async with Liar(liar.elsewhere(camera_kubo.gateway_url)) as origin:
        await dispatcher.enrol("redirecting", Origin(gateway_url=origin.url))
        (result,) = await dispatcher.pin("redirecting", [Cid.of(frame())], wait_s=0.5)
    assert result.reason == "ORIGIN_UNREACHABLE"


async def test_a_camera_that_comes_back_is_fetched_from(
    dispatcher: Caller, camera_rpc: KuboRpc, camera_kubo: KuboNode, unused_port: int
) -> None:
    cid = await camera_rpc.block_put(frame())
    await dispatcher.enrol("gate-b", Origin(gateway_url=f"http://127.0.0.1:{unused_port}"))
    (waiting,) = await dispatcher.pin("gate-b", [cid], wait_s=0.05)
    assert (waiting.status, waiting.reason) == (Status.QUEUED, "ORIGIN_UNREACHABLE")
    assert waiting.retryable
    await dispatcher.enrol("gate-b", Origin(gateway_url=camera_kubo.gateway_url))
    (result,) = await dispatcher.pin("gate-b", [cid])
    assert result.status is Status.PINNED
    assert result.requestid == waiting.requestid


async def test_one_hanging_origin_does_not_keep_another_waiting(
    dispatcher: Caller, gate_a: str, camera_rpc: KuboRpc
) -> None:
    cid = await camera_rpc.block_put(frame())
    async with Liar(liar.hanging) as origin:
        await dispatcher.enrol("hanging", Origin(gateway_url=origin.url))
        await dispatcher.pin("hanging", [Cid.of(frame()) for _ in range(50)], wait_s=0)
        # The hanging origin takes 3 s to be given up.
        async with asyncio.timeout(2):
            (result,) = await dispatcher.pin(gate_a, [cid])
        assert result.status is Status.PINNED


async def test_a_camera_without_a_gateway_is_fetched_from_over_bitswap(
    dispatcher: Caller, camera_kubo: KuboNode, camera_rpc: KuboRpc, hub: KuboRpc, unused_port: int
) -> None:
    address = camera_kubo.addresses[0].split("/p2p/")[0]
    for camera, gateway_url in (("dark", None), ("dead", f"http://127.0.0.1:{unused_port}")):
        origin = Origin(peer_id=camera_kubo.peer_id, addresses=[address], gateway_url=gateway_url)
        await dispatcher.enrol(camera, origin)
        data = frame()
        (result,) = await dispatcher.pin(camera, [await camera_rpc.block_put(data)])
        assert result.status is Status.PINNED, result
        assert await hub.block_get(result.cid) == data


async def test_an_attempt_reads_no_more_than_a_block(dispatcher: Caller) -> None:
    sent = 0

    async def count(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(65_536))
            sent += 65_536

    async with Liar(count) as origin:
        await dispatcher.enrol("counted", Origin(gateway_url=origin.url))
        (result,) = await dispatcher.pin("counted", [Cid.of(frame())])
        assert result.reason == "TOO_LARGE"
    # Beyond the block: what the sockets and the two ends' buffers hold.
    assert sent < MAX_BLOCK_BYTES + 16 * 2**20
