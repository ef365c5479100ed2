"""Reference mode: frames by CID from a real hub, verified, answered in few bytes."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from pinhole.contract.cid import Cid, Codec
from pinhole.contract.detection import InferenceAnswer
from pinhole.runtime.kubo import KuboRpc
from tests.support.polling import Eventually
from tests.yolo_fetcher.conftest import Hold, Serve, StartYolo
from tests.yolo_fetcher.pictures import HTML, SVG, encoded, noise, with_size

ROUTE = "/api/v1/inference"
BATCH = "/api/v1/inference/batch"
# Low enough that a model of rendered scenes finds something in any picture.
ANYTHING = 0.001
SHA2_512 = (
    "bafkrgqhhyivzstcz3hhswshfjgy6ertgmnqeleynhwt4dlfsthi4hn7zgh4uvlsb5xncykzapi3ocd4lzogukir6"
    "ksdy6wzrnz6ohnv4aglcs"
)


async def test_frame_named_by_its_cid_is_fetched_from_the_hub_and_answered(
    start_yolo: StartYolo, hold: Hold, photo: bytes
) -> None:
    cid = await hold(photo)
    yolo = await start_yolo()
    response = await yolo.post(ROUTE, json={"cid": str(cid), "confidence": ANYTHING})
    assert response.status == 200
    answer = InferenceAnswer.model_validate(await response.json())
    assert answer.cid == cid
    assert answer.image_hash == cid.sha256
    assert answer.image_path == f"ipfs://{cid}"
    assert answer.storage_mode == "reference"
    assert not answer.cached
    assert (answer.width_px, answer.height_px) == (810, 1080)
    assert answer.model.name == "pinhole-demo"
    assert answer.timings_ms.fetch > 0
    assert answer.timings_ms.decode > 0
    assert answer.timings_ms.infer > 0
    assert answer.detections
    for detection in answer.detections:
        x_min, y_min, x_max, y_max = detection.xyxy_px
        assert 0 <= x_min <= x_max <= 810
        assert 0 <= y_min <= y_max <= 1080


async def test_answer_for_five_boxes_has_at_most_1000_bytes(
    start_yolo: StartYolo, hold: Hold, photo: bytes
) -> None:
    yolo = await start_yolo()
    cid = await hold(photo)
    response = await yolo.post(ROUTE, json={"cid": str(cid), "confidence": ANYTHING})
    answer = await response.json()
    five = {**answer, "detections": answer["detections"][:5]}
    assert len(five["detections"]) == 5
    assert len(json.dumps(five, separators=(",", ":"))) <= 1000
    assert "null" not in await response.text()


async def test_same_frame_with_the_same_options_gets_the_same_detections(
    start_yolo: StartYolo, hold: Hold, photo: bytes
) -> None:
    yolo = await start_yolo()
    body = {"cid": str(await hold(photo)), "confidence": ANYTHING}
    answers = [await (await yolo.post(ROUTE, json=body)).json() for _ in range(3)]
    assert answers[0]["detections"] == answers[1]["detections"] == answers[2]["detections"]


async def test_only_classes_and_confidences_asked_for_are_answered(
    start_yolo: StartYolo, hold: Hold, photo: bytes
) -> None:
    yolo = await start_yolo()
    body = {"cid": str(await hold(photo)), "confidence": ANYTHING}
    everything = (await (await yolo.post(ROUTE, json=body)).json())["detections"]
    best = everything[0]
    only = await (await yolo.post(ROUTE, json={**body, "classes": [best["class_id"]]})).json()
    assert only["detections"] == [
        found for found in everything if found["class_id"] == best["class_id"]
    ]
    threshold = everything[len(everything) // 2]["confidence"] + 0.00006
    sure = await (await yolo.post(ROUTE, json={**body, "confidence": threshold})).json()
    assert sure["detections"] == [found for found in everything if found["confidence"] > threshold]


async def test_frame_that_the_hub_does_not_hold_is_not_found(start_yolo: StartYolo) -> None:
    yolo = await start_yolo()
    response = await yolo.post(ROUTE, json={"cid": str(Cid.of(b"held by nobody"))})
    assert response.status == 404
    assert (await response.json())["error"]["reason"] == "BLOCK_MISSING"


async def test_bytes_that_do_not_match_the_cid_are_refused(
    start_yolo: StartYolo, serve: Serve, photo: bytes
) -> None:
    async def lie(request: web.Request) -> web.Response:
        return web.Response(body=photo)

    gateway = web.Application()
    gateway.router.add_get("/ipfs/{cid}", lie)
    yolo = await start_yolo(hub_gateway_url=await serve(gateway))
    response = await yolo.post(ROUTE, json={"cid": str(Cid.of(b"another picture"))})
    assert response.status == 400
    assert (await response.json())["error"]["reason"] == "HASH_MISMATCH"


async def test_block_longer_than_a_frame_may_be_is_not_read_to_its_end(
    start_yolo: StartYolo, serve: Serve
) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(65_536))
            sent += 65_536

    gateway = web.Application()
    gateway.router.add_get("/ipfs/{cid}", endless)
    yolo = await start_yolo(hub_gateway_url=await serve(gateway))
    response = await yolo.post(ROUTE, json={"cid": str(Cid.of(b"endless"))})
    assert response.status == 413
    # The limit of 2,096,896 and what the sockets of both sides hold.
    assert sent < 16_000_000


async def test_hub_that_is_away_is_worth_another_try(
    start_yolo: StartYolo, unused_port: int
) -> None:
    yolo = await start_yolo(hub_gateway_url=f"http://127.0.0.1:{unused_port}")
    response = await yolo.post(ROUTE, json={"cid": str(Cid.of(b"anything"))})
    assert response.status == 503
    assert int(response.headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    ("cid", "word"),
    [
        ("not-a-cid", "CID_MALFORMED"),
        ("bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy", "CID_CODEC"),  # dag-cbor
        (SHA2_512, "CID_HASH"),
        ("bafkqabtimvwgy3yk", "CID_HASH"),  # identity
    ],
)
async def test_cid_of_another_codec_or_hash_is_refused(
    start_yolo: StartYolo, cid: str, word: str
) -> None:
    yolo = await start_yolo()
    response = await yolo.post(ROUTE, json={"cid": cid})
    assert response.status == 422
    assert word in (await response.json())["error"]["details"]


async def test_tree_is_no_frame(start_yolo: StartYolo, hub_rpc: KuboRpc) -> None:
    root = await hub_rpc.add_tree(bytes(4_000_000))
    assert root.codec is Codec.DAG_PB
    yolo = await start_yolo()
    response = await yolo.post(ROUTE, json={"cid": str(root)})
    assert response.status == 422
    assert (await response.json())["error"]["reason"] == "CID_CODEC"


@pytest.mark.parametrize(
    ("frame", "status", "reason"),
    [
        (HTML, 422, "NOT_AN_IMAGE"),
        (SVG, 422, "NOT_AN_IMAGE"),
        (encoded(noise(640, 480))[:-2000], 422, "TRUNCATED"),
        (with_size(encoded(noise(64, 64)), 30_000, 30_000), 413, "TOO_MANY_PIXELS"),
        (b"", 422, "EMPTY"),
    ],
    ids=["html", "svg", "truncated", "bomb", "0 bytes"],
)
async def test_stored_bytes_that_are_no_picture_have_a_clear_reason(
    start_yolo: StartYolo, hold: Hold, frame: bytes, status: int, reason: str
) -> None:
    yolo = await start_yolo()
    response = await yolo.post(ROUTE, json={"cid": str(await hold(frame))})
    assert response.status == status
    assert (await response.json())["error"]["reason"] == reason


async def test_batch_answers_in_order_and_one_bad_frame_spoils_no_other(
    start_yolo: StartYolo, hold: Hold, photo: bytes
) -> None:
    yolo = await start_yolo()
    pictures = [await hold(noise(320 + 16 * number, 240, number)) for number in range(6)]
    missing, page = Cid.of(b"held by nobody"), await hold(HTML)
    cids = [pictures[0], missing, *pictures[1:], page, await hold(photo)]
    response = await yolo.post(BATCH, json={"cids": [str(cid) for cid in cids]})
    assert response.status == 200
    results = (await response.json())["results"]
    assert [result["cid"] for result in results] == [str(cid) for cid in cids]
    assert [result.get("reason") for result in results] == [
        None, "BLOCK_MISSING", *[None] * 5, "NOT_AN_IMAGE", None,
    ]  # fmt: skip
    assert [result.get("width_px") for result in results] == [
        320, None, 336, 352, 368, 384, 400, None, 810,
    ]  # fmt: skip
    assert results[1]["retryable"] is False


async def test_batch_and_single_route_give_the_same_detections(
    start_yolo: StartYolo, hold: Hold, photo: bytes
) -> None:
    yolo = await start_yolo()
    cid = str(await hold(photo))
    single = await (await yolo.post(ROUTE, json={"cid": cid, "confidence": ANYTHING})).json()
    others = [str(await hold(noise(320, 240, number))) for number in range(7)]
    body = {"cids": [*others, cid], "confidence": ANYTHING}
    batch = await (await yolo.post(BATCH, json=body)).json()
    assert batch["results"][-1]["detections"] == single["detections"]


async def test_frame_named_twice_in_a_batch_is_inferred_once_and_answered_twice(
    start_yolo: StartYolo, hold: Hold
) -> None:
    yolo = await start_yolo()
    cid = str(await hold(noise(320, 240)))
    response = await yolo.post(BATCH, json={"cids": [cid, cid]})
    first, second = (await response.json())["results"]
    assert first == second


async def test_batch_of_more_than_64_frames_is_refused(start_yolo: StartYolo) -> None:
    yolo = await start_yolo()
    cids = [str(Cid.of(bytes([number]))) for number in range(65)]
    response = await yolo.post(BATCH, json={"cids": cids})
    assert response.status == 422


@pytest.fixture
async def held_back(serve: Serve, photo: bytes) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Give a gateway that answers nothing until it is told to; it then has every picture."""
    released = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        await released.wait()
        return web.Response(body=photo)

    gateway = web.Application()
    gateway.router.add_get("/ipfs/{cid}", answer)
    yield await serve(gateway), released
    released.set()


async def test_full_queue_answers_429_and_when_to_come_back(
    start_yolo: StartYolo,
    held_back: tuple[str, asyncio.Event],
    photo: bytes,
    eventually: Eventually,
) -> None:
    gateway_url, released = held_back
    yolo = await start_yolo(hub_gateway_url=gateway_url, queue_pictures=64)
    cids = [str(Cid.of(bytes([number]))) for number in range(63)]
    filling = asyncio.create_task(yolo.post(BATCH, json={"cids": [*cids, str(Cid.of(photo))]}))

    async def seen_full() -> bool:
        return "pinhole_yolo_pictures_in_house 64.0" in await (await yolo.get("/metrics")).text()

    is_full: Callable[[], bool | Awaitable[bool]] = seen_full
    await eventually(is_full)
    refused = await yolo.post(ROUTE, json={"cid": str(Cid.of(photo))})
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) >= 1
    assert (await refused.json())["error"]["reason"] == "BUSY"
    released.set()
    admitted = await filling
    assert admitted.status == 200
    reasons = [result.get("reason") for result in (await admitted.json())["results"]]
    assert reasons == ["HASH_MISMATCH"] * 63 + [None]
    assert (await yolo.post(ROUTE, json={"cid": str(Cid.of(photo))})).status == 200


async def test_request_that_takes_too_long_ends_with_504(
    start_yolo: StartYolo, held_back: tuple[str, asyncio.Event]
) -> None:
    yolo = await start_yolo(hub_gateway_url=held_back[0], deadline_s=0.2, fetch_timeout_s=60)
    response = await yolo.post(ROUTE, json={"cid": str(Cid.of(b"late"))})
    assert response.status == 504
    error = (await response.json())["error"]
    assert error == {"reason": "DEADLINE_EXCEEDED", "details": "no detections within 0.2 s"}
    batch = await yolo.post(BATCH, json={"cids": [str(Cid.of(b"late"))]})
    assert batch.status == 200
    (result,) = (await batch.json())["results"]
    assert (result["reason"], result["retryable"]) == ("DEADLINE_EXCEEDED", True)
