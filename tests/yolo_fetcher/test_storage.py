"""Storage that is away, refuses, hangs or lies never fails an inference."""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from pinhole.contract.cid import Cid
from pinhole.contract.pins import BlockStored
from pinhole.runtime.postgres import Pool
from tests.yolo_fetcher.conftest import Client, Serve, StartYolo
from tests.yolo_fetcher.uploads import ANYTHING, ROUTE


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
