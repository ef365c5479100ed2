"""Only whole pictures of three formats reach the decoder; tests/contract has their reader's."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinhole.contract.picture import MediaType, NotAPicture, Picture
from tests.yolo_fetcher.pictures import (
    GIF,
    HTML,
    SVG,
    encoded,
    noise,
    png_bomb,
    with_size,
)
from yolo_fetcher.header import read_header


def test_picture_that_is_decoded_has_its_header_read(photo: bytes) -> None:
    assert read_header(photo) == Picture(MediaType.JPEG, 810, 1080)


@pytest.mark.parametrize("data", [HTML, SVG, GIF, b"\x00" * 64, b"BM" + b"\x00" * 64])
def test_other_content_is_no_picture_whatever_its_name(data: bytes) -> None:
    with pytest.raises(NotAPicture, match="JPEG, PNG and WebP") as refusal:
        read_header(data)
    assert refusal.value.reason == "NOT_AN_IMAGE"
    assert refusal.value.status == 422


def test_file_of_0_bytes_is_empty() -> None:
    with pytest.raises(NotAPicture, match="0 bytes") as refusal:
        read_header(b"")
    assert refusal.value.reason == "EMPTY"


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@given(kept=st.floats(0.05, 0.99))
def test_picture_whose_end_is_missing_is_truncated(suffix: str, kept: float) -> None:
    data = encoded(noise(160, 120), suffix)
    with pytest.raises(NotAPicture) as refusal:
        read_header(data[: int(len(data) * kept)])
    assert refusal.value.reason == "TRUNCATED"


@pytest.mark.parametrize("width_px", [30_000, 65_535])
def test_bomb_is_measured_without_being_decoded(width_px: int) -> None:
    data = with_size(encoded(noise(64, 64)), width_px, 30_000)
    started = time.perf_counter()
    assert read_header(data) == Picture(MediaType.JPEG, width_px, 30_000)
    # Decoding takes 10.7 s; 50 ms is a hundred times what the header takes on a busy machine.
    assert time.perf_counter() - started < 0.05
    assert read_header(png_bomb(30_000, 30)).width_px == 30_000


def test_picture_without_pixels_is_malformed() -> None:
    with pytest.raises(NotAPicture, match="0x64 pixels") as refusal:
        read_header(with_size(encoded(noise(64, 64)), 0, 64))
    assert refusal.value.reason == "MALFORMED"


def test_jpeg_of_thousands_of_scans_is_malformed() -> None:
    data = encoded(noise(64, 64))
    scan = data[data.index(b"\xff\xda") : -2]
    with pytest.raises(NotAPicture, match="1001 scans, at most 100") as refusal:
        read_header(data[:-2] + 1000 * scan + data[-2:])
    assert refusal.value.reason == "MALFORMED"


def test_jpeg_without_a_frame_header_is_malformed() -> None:
    with pytest.raises(NotAPicture, match="no frame header"):
        read_header(b"\xff\xd8\xff\xda\x00\x02\xff\xd9")


@given(
    start=st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF....WEBP"]),
    rest=st.binary(max_size=200),
)
def test_any_bytes_give_a_header_or_a_reason(start: bytes, rest: bytes) -> None:
    try:
        header = read_header(start + rest)
    except NotAPicture as refusal:
        reason = refusal.reason
    else:
        reason = "PICTURE" if header.width_px * header.height_px > 0 else "NO PIXELS"
    assert reason in {"PICTURE", "EMPTY", "NOT_AN_IMAGE", "TRUNCATED", "MALFORMED"}
