import asyncio
import hashlib
from collections.abc import Mapping
from datetime import timedelta

import pytest
from multiformats import CID

from dashboard_gateway.gateway import PICTURES
from dashboard_gateway.hub import HubGateway
from dashboard_gateway.viewers import Role
from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid
from tests.dashboard_gateway.showing.conftest import (
    Client,
    StartDashboard,
    lying_hub,
    picture_of,
)
from tests.support.gallery import Gallery, Shown
from tests.support.polling import Eventually

Headers = Mapping[str, str]


@pytest.fixture
async def admin(gallery: Gallery) -> dict[str, str]:
    """Give the headers of an administrator who is logged in."""
    return await gallery.add_session("root", Role.ADMIN)


@pytest.fixture
async def frame(gallery: Gallery, photo: bytes) -> Shown:
    """Give a frame of the camera north/gate-a."""
    return await gallery.add_frame(await gallery.add_camera("gate-a"), photo)


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


async def test_unknown_and_forbidden_cannot_be_told_apart(
    showing: Client, gallery: Gallery, frame: Shown
) -> None:
    stranger = await gallery.add_session("stranger", grants=["south"])
    answers = [
        await showing.get(f"/ipfs/{cid}", headers={**stranger, "If-None-Match": "*"})
        for cid in (frame.cid, Cid.of(b"nobody has this"))
    ]
    assert [answer.status for answer in answers] == [404, 404]
    assert await answers[0].read() == await answers[1].read()
    first, second = ({**answer.headers, "Date": ""} for answer in answers)
    assert first == second
    assert first["Cache-Control"] == "no-store"


async def test_a_grant_of_the_site_or_the_camera_opens_its_frames_only(
    showing: Client, gallery: Gallery, photo: bytes
) -> None:
    gate = await gallery.add_camera("gate", site="city")
    yard = await gallery.add_camera("yard", site="city")
    of_gate = await gallery.add_frame(gate, picture_of(64, 48, seed=1))
    of_yard = await gallery.add_frame(yard, picture_of(64, 48, seed=2))
    callers = {
        "site": (await gallery.add_session("mayor", grants=["city"]), [200, 200]),
        "camera": (await gallery.add_session("porter", grants=["city/gate"]), [200, 404]),
        "none": (await gallery.add_session("guest"), [404, 404]),
        "token of all": (await gallery.add_token("all"), [200, 200]),
        "token of one": (await gallery.add_token("one", cameras=["city/yard"]), [404, 200]),
        "token of a site": (await gallery.add_token("two", cameras=["city"]), [200, 200]),
        "token of none": (await gallery.add_token("three", cameras=[]), [404, 404]),
    }
    for name, (headers, expected) in callers.items():
        got = [
            (await showing.get(f"/ipfs/{shown.cid}", headers=headers)).status
            for shown in (of_gate, of_yard)
        ]
        assert got == expected, name


async def test_without_log_in_or_token_nothing_is_served(showing: Client, frame: Shown) -> None:
    nobody: list[Headers] = [
        {},
        {"Cookie": "pinhole_session=" + "x" * 43},
        {"Authorization": "Bearer pnh_" + "x" * 43},
    ]
    for headers in nobody:
        answer = await showing.get(f"/ipfs/{frame.cid}", headers=headers)
        assert answer.status == 401
        assert answer.headers["Cache-Control"] == "no-store"


async def test_announcing_a_digest_that_another_camera_delivered_opens_nothing(
    showing: Client, gallery: Gallery, photo: bytes
) -> None:
    await gallery.add_frame(await gallery.add_camera("owner"), photo)
    thief = await gallery.add_camera("thief", site="south")
    await gallery.add_frame(thief, photo, bytes_state="awaited", held=False)
    headers = await gallery.add_session("spy", grants=["south"])
    answer = await showing.get(f"/ipfs/{Cid.of(photo)}", headers=headers)
    assert answer.status == 504
    assert (await answer.json())["error"]["reason"] == "BYTES_UNREACHABLE"


async def test_the_viewer_of_one_of_two_cameras_with_the_same_bytes_sees_them(
    showing: Client, gallery: Gallery, photo: bytes
) -> None:
    first = await gallery.add_camera("first")
    second = await gallery.add_camera("second", site="south")
    await gallery.add_frame(first, photo, bytes_state="erased")
    await gallery.add_frame(second, photo, storage_mode="binary")
    of_first = await gallery.add_session("a", grants=["north"])
    of_second = await gallery.add_session("b", grants=["south"])
    gone = await showing.get(f"/ipfs/{Cid.of(photo)}", headers=of_first)
    served = await showing.get(f"/ipfs/{Cid.of(photo)}", headers=of_second)
    assert (gone.status, served.status) == (410, 200)
    assert served.headers["X-Pinhole-Storage-Mode"] == "binary"


@pytest.mark.parametrize(
    ("state", "answered"),
    [
        ("awaited", (504, "BYTES_UNREACHABLE")),
        ("missing", (504, "BYTES_UNREACHABLE")),
        ("released", (410, "BYTES_RELEASED")),
        ("erased", (410, "BYTES_ERASED")),
        ("lost", (410, "BYTES_LOST")),
        ("invalid", (410, "BYTES_INVALID")),
    ],
)
async def test_a_known_frame_without_bytes_says_why(
    showing: Client, gallery: Gallery, admin: Headers, state: str, answered: tuple[int, str]
) -> None:
    status, reason = answered
    photo = picture_of(64, 48)
    shown = await gallery.add_frame(await gallery.add_camera("gate"), photo, bytes_state=state)
    # Not even "you have it already": the state comes before the conditional answer.
    headers = {**admin, "If-None-Match": f'"{shown.cid}"'}
    answer = await showing.get(f"/ipfs/{shown.cid}", headers=headers)
    assert answer.status == status
    assert (await answer.json())["error"]["reason"] == reason
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("Retry-After" in answer.headers) == (status == 504)


async def test_permission_comes_before_not_modified(
    showing: Client, gallery: Gallery, frame: Shown, admin: Headers
) -> None:
    conditional = {"If-None-Match": f'"{frame.cid}"'}
    allowed = await showing.get(f"/ipfs/{frame.cid}", headers={**admin, **conditional})
    assert allowed.status == 304
    assert await allowed.read() == b""
    assert allowed.headers["ETag"] == f'"{frame.cid}"'
    assert allowed.headers["Cache-Control"] == "private, max-age=300"
    guest = await gallery.add_session("guest")
    refused = await showing.get(f"/ipfs/{frame.cid}", headers={**guest, **conditional})
    assert refused.status == 404


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


async def test_bytes_that_the_hub_does_not_hold_are_unreachable(
    showing: Client, gallery: Gallery, admin: Headers
) -> None:
    camera = await gallery.add_camera("gate")
    shown = await gallery.add_frame(camera, picture_of(64, 48, seed=7), held=False)
    answer = await showing.get(f"/ipfs/{shown.cid}", headers=admin)
    assert answer.status == 504
    assert answer.headers["Retry-After"] == "5"


async def test_a_hub_that_is_down_is_unreachable_and_kept_pictures_are_still_served(
    start_showing: StartDashboard, frame: Shown, admin: Headers, unused_port: int
) -> None:
    client = await start_showing(hub_gateway_url=f"http://127.0.0.1:{unused_port}")
    answer = await client.get(f"/ipfs/{frame.cid}", headers=admin)
    assert answer.status == 504
    assert (await answer.json())["error"]["reason"] == "BYTES_UNREACHABLE"


async def test_bytes_that_do_not_match_their_cid_are_never_served(
    start_showing: StartDashboard, frame: Shown, admin: Headers
) -> None:
    # A real hub cannot be made to lie.
    async with lying_hub(b"other bytes") as url:
        client = await start_showing(hub_gateway_url=url)
        answer = await client.get(f"/ipfs/{frame.cid}", headers=admin)
    assert answer.status == 504
    body = await answer.json()
    assert body["error"]["reason"] == "BYTES_UNREACHABLE"
    assert "do not hash" in body["error"]["details"]


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


async def test_many_viewers_of_a_cold_picture_cost_one_fetch(
    showing: Client, frame: Shown, admin: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[Cid] = []
    real = HubGateway.fetch

    async def counted(self: HubGateway, cid: Cid, *, timeout_s: float) -> bytearray:
        fetched.append(cid)
        return await real(self, cid, timeout_s=timeout_s)

    monkeypatch.setattr(HubGateway, "fetch", counted)
    requests = [showing.get(f"/ipfs/{frame.cid}", headers=admin) for _ in range(40)]
    answers = await asyncio.gather(*requests)
    assert {answer.status for answer in answers} == {200}
    assert fetched == [frame.cid]


async def test_an_erased_frame_is_gone_within_two_seconds_though_it_was_cached(
    showing: Client, gallery: Gallery, frame: Shown, admin: Headers, eventually: Eventually
) -> None:
    for query in ("", "?width=160"):
        assert (await showing.get(f"/ipfs/{frame.cid}{query}", headers=admin)).status == 200
    assert showing.app[PICTURES].size_bytes > 0
    await gallery.set_state(frame.frame_id, "erased")

    async def gone() -> bool:
        answers = [
            await showing.get(f"/ipfs/{frame.cid}{query}", headers=admin)
            for query in ("", "?width=160")
        ]
        return [answer.status for answer in answers] == [410, 410]

    await eventually(gone, timeout_s=2)
    assert showing.app[PICTURES].size_bytes == 0


async def test_memory_for_pictures_stays_within_its_limit(
    start_showing: StartDashboard, gallery: Gallery, admin: Headers
) -> None:
    client = await start_showing(picture_cache_bytes=1_000_000)
    camera = await gallery.add_camera("gate")
    for seed in range(8):
        data = picture_of(960, 540, seed=seed)
        assert 100_000 < len(data) < 250_000
        shown = await gallery.add_frame(camera, data, age=timedelta(seconds=seed))
        assert (await client.get(f"/ipfs/{shown.cid}", headers=admin)).status == 200
    assert 0 < client.app[PICTURES].size_bytes <= 1_000_000
