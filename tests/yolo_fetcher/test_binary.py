"""Binary mode: pictures by value; pinning keeps the raw bytes, the detector only hands them on."""

import asyncio
import hashlib
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from io import BytesIO
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiohttp import web

from pinhole.contract.cid import Cid, Codec
from pinhole.contract.pins import BlockStored
from pinhole.contract.scopes import Scope
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool
from pinhole.runtime.tokens import create_token
from pinhole.stack.kubo_node import KuboNode
from pinning.app import make_app as make_pinning
from pinning.settings import PinningSettings
from tests.yolo_fetcher.conftest import Client, Serve, StartYolo
from tests.yolo_fetcher.pictures import HTML, SVG, decoded, encoded, noise, with_size
from yolo_fetcher.app import BATCHER

ROUTE = "/api/v1/inference"
ANYTHING = 0.001
FORM_TYPE = {"Content-Type": "multipart/form-data; boundary=b"}

StartWithStorage = Callable[..., Awaitable[Client]]


@pytest.fixture
async def yolo_with_storage(
    start_yolo: StartYolo, serve: Serve, pool: Pool, postgres_dsn: str, hub_kubo: KuboNode
) -> Client:
    """Give a detector that stores uploads with the real pinning service."""
    settings = PinningSettings(
        port=0,
        postgres_dsn=postgres_dsn,
        kubo_rpc_url=hub_kubo.rpc_url,
        kubo_rpc_token=hub_kubo.rpc_token,
        kubo_gateway_url=hub_kubo.gateway_url,
    )
    secret = await create_token(pool, "yolo", [Scope.BLOCKS_WRITE, Scope.PINS_SERVICE])
    pinning_url = await serve(make_pinning(settings))
    return await start_yolo(pinning_url=pinning_url, pinning_token=secret)


async def test_uploaded_bytes_are_kept_as_they_came_and_named_in_the_answer(
    yolo_with_storage: Client, hub_rpc: KuboRpc, photo: bytes
) -> None:
    body = {"image": b64encode(photo).decode(), "confidence": ANYTHING}
    response = await yolo_with_storage.post(ROUTE, json=body)
    assert response.status == 200
    answer = await response.json()
    assert answer["image_hash"] == hashlib.sha256(photo).hexdigest()
    assert answer["cid"] == str(Cid.of(photo))
    assert answer["image_path"] == f"ipfs://{Cid.of(photo)}"
    assert answer["storage_mode"] == "binary"
    assert answer["duplicate"] is False
    assert answer["detections"]
    assert "warning" not in answer
    assert await hub_rpc.block_get(Cid.of(photo)) == photo
    again = await (await yolo_with_storage.post(ROUTE, json=body)).json()
    assert again["duplicate"] is True


async def test_upload_and_frame_of_the_same_bytes_get_the_same_detections(
    yolo_with_storage: Client, photo: bytes
) -> None:
    by_value = {"image": b64encode(photo).decode(), "confidence": ANYTHING}
    by_name = {"cid": str(Cid.of(photo)), "confidence": ANYTHING}
    uploaded = await (await yolo_with_storage.post(ROUTE, json=by_value)).json()
    fetched = await (await yolo_with_storage.post(ROUTE, json=by_name)).json()
    assert uploaded["detections"] == fetched["detections"]


async def test_upload_is_bound_to_the_caller_and_not_to_the_detector(
    yolo_with_storage: Client, pool: Pool, photo: bytes
) -> None:
    await yolo_with_storage.post(ROUTE, json={"image": b64encode(photo).decode()})
    owners = await pool.fetch("SELECT owner FROM pinning.bindings")
    assert [record["owner"] for record in owners] == ["token:caller"]


async def test_upload_of_4_megabytes_becomes_a_tree_and_keeps_its_hash(
    yolo_with_storage: Client,
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (1100, 1100, 3)).astype(np.uint8)
    data = encoded(picture, ".png")
    assert 3_500_000 < len(data) < 5_000_000
    answer = await (await yolo_with_storage.post(ROUTE, data=_form(image=data))).json()
    assert answer["image_hash"] == hashlib.sha256(data).hexdigest()
    assert Cid.parse(answer["cid"]).codec is Codec.DAG_PB
    assert (answer["width_px"], answer["height_px"]) == (1100, 1100)


@pytest.mark.parametrize(
    "image",
    [
        lambda data: b64encode(data).decode(),
        lambda data: "data:image/jpeg;base64," + b64encode(data).decode(),
        lambda data: "data:text/html;charset=utf-8;base64," + b64encode(data).decode(),
        lambda data: "\r\n".join(_lines(b64encode(data).decode())),
    ],
    ids=["base64", "data URI", "data URI of another type", "broken lines"],
)
async def test_picture_may_come_as_base64_or_as_a_data_uri(
    start_yolo: StartYolo, image: Callable[[bytes], str], photo: bytes
) -> None:
    yolo = await start_yolo()
    response = await yolo.post(ROUTE, json={"image": image(photo)})
    assert response.status == 200
    assert (await response.json())["height_px"] == 1080


async def test_picture_may_come_as_a_form_with_its_options(
    start_yolo: StartYolo, photo: bytes
) -> None:
    yolo = await start_yolo()
    everything = await yolo.post(ROUTE, data=_form(image=photo, confidence=str(ANYTHING)))
    best = (await everything.json())["detections"][0]
    form = _form(file=photo, confidence=str(ANYTHING), classes=f"{best['class_id']},4711")
    only = (await (await yolo.post(ROUTE, data=form)).json())["detections"]
    assert {found["class_id"] for found in only} == {best["class_id"]}


async def test_name_of_an_uploaded_file_is_never_looked_at(
    start_yolo: StartYolo, photo: bytes
) -> None:
    yolo = await start_yolo()
    part = b'Content-Disposition: form-data; name="image"; filename="../\xff\xfe.html"\r\n'
    body = b"--b\r\n" + part + b"Content-Type: text/html\r\n\r\n" + photo + b"\r\n--b--\r\n"
    response = await yolo.post(ROUTE, data=body, headers=FORM_TYPE)
    assert response.status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form at all",
        b"--b\r\n",
        b'--b\r\nContent-Disposition: form-data; name="image\x00"\r\n\r\nx\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="\xff"\r\n\r\nx\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n\xff\xfe\r\n--b--\r\n',
        b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
    ],
)
async def test_broken_form_is_refused(start_yolo: StartYolo, body: bytes) -> None:
    yolo = await start_yolo()
    response = await yolo.post(ROUTE, data=body, headers=FORM_TYPE)
    assert response.status == 422


async def test_form_without_a_boundary_is_refused(start_yolo: StartYolo) -> None:
    yolo = await start_yolo()
    headers = {"Content-Type": "multipart/form-data"}
    response = await yolo.post(ROUTE, data=b"x", headers=headers)
    assert response.status == 422


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        (HTML, 422, "NOT_AN_IMAGE"),
        (SVG, 422, "NOT_AN_IMAGE"),
        (encoded(noise(640, 480))[:-2000], 422, "TRUNCATED"),
        (with_size(encoded(noise(64, 64)), 30_000, 30_000), 413, "TOO_MANY_PIXELS"),
        (b"", 422, "EMPTY"),
        (bytes(5_000_001), 413, "TOO_LARGE"),
    ],
    ids=["html", "svg", "truncated", "bomb", "0 bytes", "5 MB and 1 byte"],
)
async def test_bad_upload_is_refused_in_every_form_and_not_stored(
    yolo_with_storage: Client, pool: Pool, data: bytes, status: int, reason: str
) -> None:
    body = b'{"image": "' + b64encode(data) + b'"}'
    headers = {"Content-Type": "application/json"}
    by_json = await yolo_with_storage.post(ROUTE, data=BytesIO(body), headers=headers)
    by_form = await yolo_with_storage.post(ROUTE, data=_form(image=data))
    for response in (by_json, by_form):
        assert response.status == status
        assert (await response.json())["error"]["reason"] == reason
    assert await pool.fetchval("SELECT count(*) FROM pinning.blocks") == 0


async def test_upload_is_not_even_read_where_there_is_no_room_for_it(
    start_yolo: StartYolo,
) -> None:
    yolo = await start_yolo(queue_pictures=64)
    assert yolo.app is not None
    headers = {"Content-Type": "application/json"}
    with yolo.app[BATCHER].admit(64):
        full = await yolo.post(ROUTE, data=b"{", headers=headers)
    assert full.status == 429
    assert (await yolo.post(ROUTE, data=b"{", headers=headers)).status == 422


async def test_upload_that_comes_too_slowly_is_given_up(start_yolo: StartYolo) -> None:
    yolo = await start_yolo(deadline_s=0.3)
    never = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"image": "'
        await never.wait()

    headers = {"Content-Type": "application/json"}
    response = await yolo.post(ROUTE, data=slowly(), headers=headers)
    assert response.status == 504


async def test_body_longer_than_any_picture_is_not_read(start_yolo: StartYolo) -> None:
    yolo = await start_yolo()

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield bytes(65_536)

    headers = {"Content-Type": "application/json"}
    response = await yolo.post(ROUTE, data=endless(), headers=headers)
    assert response.status == 413


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"\xff\xfe",
        b"{}",
        b'{"image": "AAAA", "cid": "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"}',
        b'{"image": "AAAA", "url": "http://169.254.169.254/"}',
        b'{"image": "http://169.254.169.254/"}',
        b'{"image": "data:image/jpeg,AAAA"}',
        b'{"image": "AAA"}',
        b'{"image": "AAAA", "confidence": 2}',
        b'{"image": "AAAA", "model": "../../etc/passwd"}',
    ],
)
async def test_malformed_request_is_refused(start_yolo: StartYolo, body: bytes) -> None:
    yolo = await start_yolo()
    headers = {"Content-Type": "application/json"}
    response = await yolo.post(ROUTE, data=body, headers=headers)
    assert response.status == 422
    assert (await response.json())["error"]["details"]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"picture": b"x"},
        {"image": b"x", "file": b"x"},
        {"image": b"x", "confidence": "sure"},
        {"image": b"x", "classes": "cat"},
        {"image": b"x", "nonsense": "1"},
    ],
)
async def test_malformed_form_is_refused(
    start_yolo: StartYolo, fields: dict[str, str | bytes]
) -> None:
    yolo = await start_yolo()
    response = await yolo.post(ROUTE, data=_form(**fields))
    assert response.status == 422


@pytest.mark.parametrize("kind", ["image/jpeg", "text/plain", "application/octet-stream"])
async def test_body_of_another_type_is_refused(
    start_yolo: StartYolo, kind: str, photo: bytes
) -> None:
    yolo = await start_yolo()
    response = await yolo.post(ROUTE, data=photo, headers={"Content-Type": kind})
    assert response.status == 415


async def test_storage_that_is_away_does_not_fail_the_inference(
    start_yolo: StartYolo, unused_port: int, photo: bytes
) -> None:
    yolo = await start_yolo(
        pinning_url=f"http://127.0.0.1:{unused_port}", pinning_token="pnh_something"
    )
    await _is_answered_with_a_warning(yolo, photo, "could not be reached")


async def test_storage_that_refuses_does_not_fail_the_inference(
    yolo_with_storage: Client, pool: Pool, photo: bytes
) -> None:
    await pool.execute("UPDATE access.tokens SET scopes = '{}'")
    await _is_answered_with_a_warning(yolo_with_storage, photo, "status 403")


async def test_storage_that_hangs_does_not_fail_the_inference(
    start_yolo: StartYolo, serve: Serve, photo: bytes
) -> None:
    async def hang(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    yolo = await _start_with(hang, start_yolo, serve, storage_timeout_s=0.2)
    await _is_answered_with_a_warning(yolo, photo, "no answer within 0.2 s")


async def test_storage_that_names_other_bytes_is_not_believed(
    start_yolo: StartYolo, serve: Serve, photo: bytes
) -> None:
    async def lie(request: web.Request) -> web.Response:
        await request.read()
        cid = Cid.of(b"something else")
        stored = BlockStored(cid=cid, sha256=cid.sha256, size_bytes=1, duplicate=False)
        return web.Response(body=stored.wire(), content_type="application/json")

    yolo = await _start_with(lie, start_yolo, serve)
    await _is_answered_with_a_warning(yolo, photo, "other bytes were stored")


async def test_storage_that_answers_nonsense_does_not_fail_the_inference(
    start_yolo: StartYolo, serve: Serve, photo: bytes
) -> None:
    async def babble(request: web.Request) -> web.Response:
        return web.Response(text="<html>welcome to the router</html>")

    yolo = await _start_with(babble, start_yolo, serve)
    await _is_answered_with_a_warning(yolo, photo, "no receipt")


async def test_without_storage_uploads_are_answered_and_said_not_to_be_kept(
    start_yolo: StartYolo, photo: bytes
) -> None:
    await _is_answered_with_a_warning(await start_yolo(), photo, "not set up")


async def test_boxes_are_drawn_only_where_they_are_asked_for_and_never_into_the_stored_bytes(
    yolo_with_storage: Client, hub_rpc: KuboRpc, photo: bytes
) -> None:
    body = {"image": b64encode(photo).decode(), "confidence": ANYTHING, "annotated": True}
    answer = await (await yolo_with_storage.post(ROUTE, json=body)).json()
    head, _, content = answer["annotated"].partition(",")
    assert head == "data:image/jpeg;base64"
    drawn, original = decoded(b64decode(content)), decoded(photo)
    assert drawn.shape == original.shape
    assert np.abs(drawn.astype(int) - original.astype(int)).max() > 100
    assert await hub_rpc.block_get(Cid.of(photo)) == photo
    plain = await (await yolo_with_storage.post(ROUTE, json={**body, "annotated": False})).json()
    assert "annotated" not in plain
    assert plain["detections"] == answer["detections"]


async def _start_with(
    store: Callable[[web.Request], Awaitable[web.Response]],
    start_yolo: StartYolo,
    serve: Serve,
    **settings: Any,
) -> Client:
    app = web.Application(client_max_size=2**23)
    app.router.add_post("/api/v1/blocks", store)
    return await start_yolo(pinning_url=await serve(app), pinning_token="pnh_something", **settings)


async def _is_answered_with_a_warning(yolo: Client, photo: bytes, warning: str) -> None:
    body = {"image": b64encode(photo).decode(), "confidence": ANYTHING}
    response = await yolo.post(ROUTE, json=body)
    assert response.status == 200
    answer = await response.json()
    assert answer["detections"]
    assert answer["image_hash"] is None
    assert warning in answer["warning"]
    assert "image_path" not in answer


def _form(**fields: str | bytes) -> aiohttp.FormData:
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        if isinstance(value, bytes):
            form.add_field(name, BytesIO(value), filename="picture.jpg", content_type="image/jpeg")
        else:
            form.add_field(name, value)
    return form


def _lines(text: str) -> list[str]:
    return [text[at : at + 76] for at in range(0, len(text), 76)]
