import asyncio

import cv2
import numpy as np
import pytest

from dashboard_gateway import thumbnails
from dashboard_gateway.pictures import NotAnImage
from dashboard_gateway.thumbnails import WIDTHS_PX, shrink, step_for
from dashboard_gateway.viewers import Role
from pinhole.contract.errors import TooLarge, Unprocessable
from pinhole.contract.picture import Data
from tests.dashboard_gateway.showing.conftest import Client, StartDashboard, picture_of
from tests.support.gallery import Gallery

MAX_PIXELS = 50_000_000


def pixels_of(encoded: Data) -> cv2.typing.MatLike:
    pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return pixels


def size_of(encoded: Data) -> tuple[int, int]:
    height_px, width_px = pixels_of(encoded).shape[:2]
    return width_px, height_px


@pytest.mark.parametrize(
    ("width", "step"), [("1", 160), ("160", 160), ("161", 320), ("1280", 1280), ("1281", None)]
)
def test_a_width_is_rounded_up_to_one_that_is_made(width: str, step: int | None) -> None:
    assert step_for(width) == step


@pytest.mark.parametrize("width", ["", "0", "-1", "1e3", "12.5", "999999", "²", "abc"])
def test_a_width_that_is_no_whole_number_is_refused(width: str) -> None:
    with pytest.raises(Unprocessable):
        step_for(width)


@pytest.mark.parametrize("width_px", WIDTHS_PX)
def test_a_thumbnail_keeps_the_proportions(width_px: int) -> None:
    data = picture_of(1920, 1080)
    assert size_of(shrink(data, "image/jpeg", width_px, MAX_PIXELS)) == (
        width_px,
        width_px * 9 // 16,
    )


@pytest.mark.parametrize(
    ("ending", "media_type"),
    [(".png", "image/png"), (".webp", "image/webp"), (".bmp", "image/bmp")],
)
def test_other_formats_become_jpeg(ending: str, media_type: str) -> None:
    made = shrink(picture_of(800, 600, ending=ending), media_type, 320, MAX_PIXELS)
    assert made.startswith(b"\xff\xd8\xff")
    assert size_of(made) == (320, 240)


def test_a_picture_that_is_no_wider_is_served_as_it_is() -> None:
    data = picture_of(300, 200)
    assert shrink(data, "image/jpeg", 320, MAX_PIXELS) is data


def test_a_thumbnail_shows_what_the_picture_shows(photo: bytes) -> None:
    small = shrink(photo, "image/jpeg", 160, MAX_PIXELS)
    wanted = cv2.resize(pixels_of(photo), (160, 213), interpolation=cv2.INTER_AREA)
    # JPEG at quality 82 and the reduced decode differ by about 4 of 255 on average.
    assert np.abs(wanted.astype(int) - pixels_of(small).astype(int)).mean() < 8


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (30_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    monkeypatch.setattr(thumbnails, "_decoded", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(TooLarge, match="30000 x 30000"):
        shrink(bomb, "image/png", 320, MAX_PIXELS)


def test_a_picture_that_cannot_be_decoded_is_refused() -> None:
    data = picture_of(800, 600, ending=".png")
    with pytest.raises(NotAnImage):
        shrink(data[:60], "image/png", 320, MAX_PIXELS)


async def test_a_thumbnail_is_served_under_its_own_etag(
    showing: Client, gallery: Gallery, photo: bytes
) -> None:
    admin = await gallery.add_session("root", Role.ADMIN)
    shown = await gallery.add_frame(await gallery.add_camera("gate"), photo)
    answer = await showing.get(f"/ipfs/{shown.cid}?width=300", headers=admin)
    assert answer.status == 200
    assert answer.headers["ETag"] == f'"{shown.cid}.w320"'
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert size_of(await answer.read()) == (320, 427)
    again = await showing.get(
        f"/ipfs/{shown.cid}?width=320", headers={**admin, "If-None-Match": answer.headers["ETag"]}
    )
    assert again.status == 304


async def test_many_viewers_of_a_thumbnail_cost_one_making(
    showing: Client, gallery: Gallery, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def counted(data: Data, media_type: str, width_px: int, max_pixels: int) -> Data:
        made.append(width_px)
        return shrink(data, media_type, width_px, max_pixels)

    monkeypatch.setattr(thumbnails, "shrink", counted)
    admin = await gallery.add_session("root", Role.ADMIN)
    shown = await gallery.add_frame(await gallery.add_camera("gate"), photo)
    requests = [showing.get(f"/ipfs/{shown.cid}?width=320", headers=admin) for _ in range(40)]
    answers = await asyncio.gather(*requests)
    assert {answer.status for answer in answers} == {200}
    assert made == [320]


async def test_a_truncated_jpeg_is_still_served_whole_and_small(
    showing: Client, gallery: Gallery, photo: bytes
) -> None:
    admin = await gallery.add_session("root", Role.ADMIN)
    data = photo[: len(photo) // 2]
    shown = await gallery.add_frame(await gallery.add_camera("gate"), data)
    whole = await showing.get(f"/ipfs/{shown.cid}", headers=admin)
    assert await whole.read() == data
    small = await showing.get(f"/ipfs/{shown.cid}?width=160", headers=admin)
    assert small.status in {200, 415}


async def test_a_picture_over_the_limit_of_pixels_has_no_thumbnail_but_is_served(
    start_showing: StartDashboard, gallery: Gallery, photo: bytes
) -> None:
    client = await start_showing(thumbnail_pixels=1000)
    admin = await gallery.add_session("root", Role.ADMIN)
    shown = await gallery.add_frame(await gallery.add_camera("gate"), photo)
    assert (await client.get(f"/ipfs/{shown.cid}?width=160", headers=admin)).status == 413
    assert (await client.get(f"/ipfs/{shown.cid}", headers=admin)).status == 200
