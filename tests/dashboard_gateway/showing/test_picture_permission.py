"""Who is served which bytes, and what all others are told."""

from pinhole.contract.cid import Cid
from tests.dashboard_gateway.showing.conftest import (
    Client,
    Headers,
    picture_of,
)
from tests.support.gallery import Gallery, Shown


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
