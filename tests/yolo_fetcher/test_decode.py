"""Decoding stays within its limits, is small where it can be, and moves nothing."""

import time

import cv2
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pinhole.contract.errors import TooLarge
from pinhole.contract.picture import NotAPicture
from tests.yolo_fetcher.pictures import decoded, encoded, noise, png_bomb, with_exif, with_size
from yolo_fetcher.decode import Limits, full, prepare
from yolo_fetcher.letterbox import Pixels

LIMITS = Limits(max_bytes=5_000_000, max_pixels=40_000_000)
INPUT_HW = (640, 640)


def test_picture_of_more_bytes_than_the_limit_is_too_large() -> None:
    with pytest.raises(TooLarge, match="has 5000001 bytes, at most 5000000") as refusal:
        prepare(bytes(5_000_001), LIMITS, INPUT_HW)
    assert refusal.value.status == 413


@pytest.mark.parametrize(
    "bomb",
    [with_size(encoded(noise(64, 64)), 30_000, 30_000), png_bomb(30_000, 30_000)],
    ids=["jpeg", "png"],
)
def test_bomb_of_30000_by_30000_pixels_is_refused_from_its_header(bomb: bytes) -> None:
    started = time.perf_counter()
    with pytest.raises(TooLarge, match="30000x30000 = 900000000 pixels") as refusal:
        prepare(bomb, LIMITS, INPUT_HW)
    # Decoding the JPEG takes 10.7 s and 2.7 GB.
    assert time.perf_counter() - started < 0.05
    assert refusal.value.reason == "TOO_MANY_PIXELS"
    assert refusal.value.status == 413


def test_broken_content_is_undecodable() -> None:
    data = encoded(noise(64, 64), ".png")
    at = data.index(b"IDAT") + 8
    with pytest.raises(NotAPicture) as refusal:
        prepare(data[:at] + bytes(20) + data[at + 20 :], LIMITS, INPUT_HW)
    assert refusal.value.reason == "UNDECODABLE"


@pytest.mark.parametrize(
    "picture", [noise(64, 48)[:, :, 0], np.dstack([noise(64, 48)] * 2)[:, :, :4]]
)
def test_grey_and_transparent_pictures_become_three_channels(picture: Pixels) -> None:
    prepared = prepare(encoded(picture, ".png"), LIMITS, INPUT_HW)
    assert prepared.pixels.shape == (*INPUT_HW, 3)
    assert (prepared.placement.width_px, prepared.placement.height_px) == (64, 48)


@pytest.mark.parametrize("width_px", [640, 641, 1280, 1281, 1921, 3840, 3847, 7681])
def test_object_in_a_reduced_picture_is_found_where_it_is_in_the_frame(width_px: int) -> None:
    frame = np.zeros((720, width_px, 3), np.uint8)
    left, right, top, bottom = width_px * 3 // 4, width_px - 5, 300, 500
    frame[top:bottom, left:right] = 255
    prepared = prepare(encoded(frame), LIMITS, INPUT_HW)
    seen = prepared.pixels[:, :, 0].astype(float)
    seen[np.isin(seen, range(110, 119))] = 0  # the grey around it
    # The centre of gravity; a pixel's own centre is half a pixel from its index.
    x = (seen.sum(axis=0) * (np.arange(640) + 0.5)).sum() / seen.sum()
    y = (seen.sum(axis=1) * (np.arange(640) + 0.5)).sum() / seen.sum()
    found = prepared.placement.to_frame(np.array([[x, y, x, y]], np.float32))[0]
    # A third of a pixel of the input: bilinear sampling skips up to half of the decoded pixels.
    tolerance = 0.34 / prepared.placement.scale_x
    assert found[0] == pytest.approx((left + right) / 2, abs=tolerance)
    assert found[1] == pytest.approx((top + bottom) / 2, abs=tolerance)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_moves_no_pixel(orientation: int, photo: bytes) -> None:
    tagged = with_exif(photo, orientation)
    assert_array_equal(
        prepare(tagged, LIMITS, INPUT_HW).pixels, prepare(photo, LIMITS, INPUT_HW).pixels
    )
    placement = prepare(tagged, LIMITS, INPUT_HW).placement
    assert (placement.width_px, placement.height_px) == (810, 1080)
    assert_array_equal(full(tagged, LIMITS), decoded(photo))


def test_the_orientation_of_the_test_above_is_one_that_decoders_obey(photo: bytes) -> None:
    tagged = np.frombuffer(with_exif(photo, 6), np.uint8)
    obeyed = cv2.imdecode(tagged, cv2.IMREAD_COLOR)
    assert obeyed is not None
    assert obeyed.shape[:2] == (810, 1080)
