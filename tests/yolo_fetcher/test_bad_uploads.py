"""Uploads that are refused: no picture, no form, too slow, too much."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from io import BytesIO

import pytest

from pinhole.runtime.postgres import Pool
from tests.yolo_fetcher.conftest import Client, StartYolo
from tests.yolo_fetcher.pictures import HTML, SVG, encoded, noise, with_size
from tests.yolo_fetcher.uploads import FORM_TYPE, ROUTE, form
from yolo_fetcher.app import BATCHER


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
    by_form = await yolo_with_storage.post(ROUTE, data=form(image=data))
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
    response = await yolo.post(ROUTE, data=form(**fields))
    assert response.status == 422


@pytest.mark.parametrize("kind", ["image/jpeg", "text/plain", "application/octet-stream"])
async def test_body_of_another_type_is_refused(
    start_yolo: StartYolo, kind: str, photo: bytes
) -> None:
    yolo = await start_yolo()
    response = await yolo.post(ROUTE, data=photo, headers={"Content-Type": kind})
    assert response.status == 415
