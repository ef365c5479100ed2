"""The picture proxy: what one request gets."""

import hashlib

import pytest
from multiformats import CID

from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid
from tests.dashboard_gateway.showing.conftest import (
    Client,
    Headers,
    StartDashboard,
    picture_of,
)
from tests.support.gallery import Gallery, Shown


async def test_a_frame_is_served_byte_for_byte(
    showing: Client, frame: Shown, admin: Headers
) -> None:
    answer = await showing.get(f"/ipfs/{frame.cid}", headers=admin)
    assert answer.status == 200
    body = await answer.read()
    assert body == frame.data
    assert hashlib.sha256(body).digest() == frame.cid.digest
    assert {name: answer.headers[name] for name in (
        "Content-Type", "ETag", "Cache-Control", "X-Content-Type-Options",
        "Content-Security-Policy", "X-Pinhole-Storage-Mode", "Accept-Ranges", "Vary",
        "Cross-Origin-Resource-Policy", "Content-Length",
    )} == {
        "Content-Type": "image/jpeg",
        "ETag": f'"{frame.cid}"',
        "Cache-Control": "private, max-age=300",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Pinhole-Storage-Mode": "reference",
        "Accept-Ranges": "bytes",
        "Vary": "Cookie, Authorization",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Content-Length": str(len(frame.data)),
    }  # fmt: skip


async def test_head_says_what_get_says_and_sends_nothing(
    showing: Client, frame: Shown, admin: Headers
) -> None:
    answer = await showing.head(f"/ipfs/{frame.cid}", headers=admin)
    assert answer.status == 200
    assert answer.headers["Content-Length"] == str(len(frame.data))
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert await answer.read() == b""


async def test_the_same_bytes_answer_to_every_spelling_of_their_hash(
    showing: Client, frame: Shown, admin: Headers
) -> None:
    cid = CID.decode(str(frame.cid))
    as_v0 = CID("base58btc", 0, "dag-pb", ("sha2-256", frame.cid.digest))
    paths = [
        f"/ipfs/{cid.set(base='base58btc')}",
        f"/ipfs/{cid.set(base='base16')}",
        f"/ipfs/{str(frame.cid).upper()}",
        f"/ipfs/{as_v0}",
        f"/api/images/hash/{frame.cid.sha256}",
        f"/api/images/hash/{frame.cid.sha256.upper()}",
    ]
    for path in paths:
        answer = await showing.get(path, headers=admin)
        assert answer.status == 200, path
        assert answer.headers["ETag"] == f'"{frame.cid}"'
        assert await answer.read() == frame.data


async def test_the_cache_time_is_a_setting(
    start_showing: StartDashboard, frame: Shown, admin: Headers
) -> None:
    client = await start_showing(picture_max_age_s=0)
    answer = await client.get(f"/ipfs/{frame.cid}", headers=admin)
    assert answer.headers["Cache-Control"] == "private, max-age=0"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/ipfs/nonsense", "CID_MALFORMED"),
        ("/ipfs/bafkqabdemf2gc", "CID_HASH"),
        ("/api/images/hash/abc", "CID_MALFORMED"),
        (f"/api/images/hash/{'g' * 64}", "CID_MALFORMED"),
    ],
)
async def test_what_is_no_cid_is_refused(
    showing: Client, admin: Headers, path: str, reason: str
) -> None:
    answer = await showing.get(path, headers=admin)
    assert answer.status == 422
    assert (await answer.json())["error"]["reason"] == reason
    assert answer.headers["Cache-Control"] == "no-store"


async def test_a_range_is_served_and_an_impossible_one_refused(
    showing: Client, frame: Shown, admin: Headers
) -> None:
    total = len(frame.data)
    part = await showing.get(f"/ipfs/{frame.cid}", headers={**admin, "Range": "bytes=10-19"})
    assert part.status == 206
    assert part.headers["Content-Range"] == f"bytes 10-19/{total}"
    assert await part.read() == frame.data[10:20]
    beyond = await showing.get(f"/ipfs/{frame.cid}", headers={**admin, "Range": f"bytes={total}-"})
    assert beyond.status == 416
    assert beyond.headers["Content-Range"] == f"bytes */{total}"
    assert beyond.headers["Cache-Control"] == "no-store"
    stale = {**admin, "Range": "bytes=10-19", "If-Range": '"other"'}
    whole = await showing.get(f"/ipfs/{frame.cid}", headers=stale)
    assert whole.status == 200
    assert await whole.read() == frame.data


@pytest.mark.parametrize(
    "data",
    [
        b"<!doctype html><script>document.title='owned'</script>",
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        b"BM<html><script>alert(1)</script>",
        b"plain words",
    ],
)
async def test_html_and_svg_that_call_themselves_jpeg_are_never_served(
    showing: Client, gallery: Gallery, admin: Headers, data: bytes
) -> None:
    camera = await gallery.add_camera("gate")
    shown = await gallery.add_frame(camera, data, media_type="image/jpeg")
    for query in ("", "?width=320"):
        answer = await showing.get(f"/ipfs/{shown.cid}{query}", headers=admin)
        assert answer.status == 415
        assert answer.content_type == "application/json"
        body = await answer.json()
        assert body["error"]["reason"] == "NOT_AN_IMAGE"
        assert data not in await answer.read()


async def test_an_upload_of_several_blocks_is_put_together_and_verified(
    showing: Client, gallery: Gallery, admin: Headers
) -> None:
    data = picture_of(64, 48) + bytes(range(256)) * 16_000
    assert len(data) > MAX_BLOCK_BYTES
    shown = await gallery.add_frame(await gallery.add_camera("upload"), data, storage_mode="binary")
    assert not shown.cid.is_frame
    for path in (f"/ipfs/{shown.cid}", f"/api/images/hash/{hashlib.sha256(data).hexdigest()}"):
        answer = await showing.get(path, headers=admin)
        assert answer.status == 200
        assert await answer.read() == data
        assert answer.headers["ETag"] == f'"{shown.cid}"'


async def test_an_upload_over_the_limit_is_refused(
    start_showing: StartDashboard, gallery: Gallery, admin: Headers
) -> None:
    client = await start_showing(upload_bytes=3_000_000)
    data = picture_of(64, 48) + bytes(range(256)) * 16_000
    shown = await gallery.add_frame(await gallery.add_camera("upload"), data)
    answer = await client.get(f"/ipfs/{shown.cid}", headers=admin)
    assert answer.status == 413


async def test_a_leaf_of_an_upload_is_no_frame(
    showing: Client, gallery: Gallery, admin: Headers
) -> None:
    data = picture_of(64, 48) + bytes(range(256)) * 16_000
    await gallery.add_frame(await gallery.add_camera("upload"), data)
    leaf = Cid.of(data[:MAX_BLOCK_BYTES])
    assert (await showing.get(f"/ipfs/{leaf}", headers=admin)).status == 404
