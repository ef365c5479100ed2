"""What bytes are and how large their picture is, told from the bytes."""

import struct
import time
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinhole.contract.picture import (
    MediaType,
    NotAPicture,
    Picture,
    is_whole,
    jpeg_scans,
    media_type_of,
    read_picture,
)

SUFFIXES = {
    ".jpg": MediaType.JPEG,
    ".png": MediaType.PNG,
    ".webp": MediaType.WEBP,
    ".bmp": MediaType.BMP,
    ".gif": MediaType.GIF,
    ".avif": MediaType.AVIF,
}
WITH_AN_END = (".jpg", ".png", ".webp")
NO_PICTURES = {
    "html": b"<!doctype html><script>alert(1)</script>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "svg behind a byte order mark": b'\xef\xbb\xbf<svg xmlns="http://www.w3.org/2000/svg"/>',
    "xml": b'<?xml version="1.0"?><svg/>',
    "pdf": b"%PDF-1.7",
    "text that begins as BMP does": b"BM" + b"<html><script>alert(1)</script></html>",
    "video with an ftyp box": b"\0\0\0\x18ftypisom\0\0\0\0isommp42",
    "a RIFF that is no WebP": b"RIFF\x24\0\0\0WAVEfmt ",
    "zeros": b"\x00" * 4096,
}
STARTS = (
    b"",
    b"\xff\xd8\xff",
    b"\xff\xd8\xff\xe0\x00\x10",
    b"\xff\xd8\xff\xc2\x00\x0b\x08",
    b"\x89PNG\r\n\x1a\n",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"GIF89a",
    b"RIFF\x10\x00\x00\x00WEBP",
    b"RIFF\x10\x00\x00\x00WEBPVP8 ",
    b"RIFF\x10\x00\x00\x00WEBPVP8L",
    b"RIFF\x10\x00\x00\x00WEBPVP8X",
    b"BM" + bytes(12) + b"\x28\0\0\0",
    b"\0\0\0\x18ftypavif\0\0\0\0avifmif1ispe",
)


def encoded(suffix: str, width_px: int, height_px: int, *, options: tuple[int, ...] = ()) -> bytes:
    """Return a picture of coloured noise; one quality for all, so that AVIF is quick."""
    noise = np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    pixels = cv2.resize(noise, (width_px, height_px), interpolation=cv2.INTER_CUBIC)
    done, data = cv2.imencode(suffix, pixels, options)
    assert done
    return bytes(data)


JPEG = encoded(".jpg", 320, 200)
EACH = {suffix: encoded(suffix, 64, 48) for suffix in SUFFIXES}


def reason_of(data: bytes) -> str:
    with pytest.raises(NotAPicture) as refusal:
        read_picture(data)
    assert refusal.value.status == 422
    return refusal.value.reason


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_type_and_size_are_read_from_the_bytes(suffix: str) -> None:
    data = encoded(suffix, 321, 123)

    assert media_type_of(data) is SUFFIXES[suffix]
    assert read_picture(data) == Picture(SUFFIXES[suffix], 321, 123)
    assert read_picture(bytearray(data)) == Picture(SUFFIXES[suffix], 321, 123)
    assert is_whole(data)


@pytest.mark.parametrize("suffix", WITH_AN_END)
@given(width_px=st.integers(1, 300), height_px=st.integers(1, 300))
def test_every_size_is_read_as_it_was_encoded(suffix: str, width_px: int, height_px: int) -> None:
    data = encoded(suffix, width_px, height_px)
    assert read_picture(data) == Picture(SUFFIXES[suffix], width_px, height_px)


def test_a_real_photograph_is_whole(photo: bytes) -> None:
    assert read_picture(photo) == Picture(MediaType.JPEG, 810, 1080)
    assert is_whole(photo)


def test_a_progressive_jpeg_is_read_and_its_scans_are_counted() -> None:
    progressive = encoded(".jpg", 320, 200, options=(cv2.IMWRITE_JPEG_PROGRESSIVE, 1))

    assert b"\xff\xc2" in progressive
    assert read_picture(progressive) == Picture(MediaType.JPEG, 320, 200)
    assert is_whole(progressive)
    assert jpeg_scans(progressive) == 10
    assert jpeg_scans(JPEG) == 1


def test_a_grey_or_lossy_or_transparent_picture_is_read() -> None:
    quality = (cv2.IMWRITE_WEBP_QUALITY, 80)
    grey = cv2.imencode(".jpg", np.zeros((31, 41), np.uint8))[1].tobytes()
    lossy = cv2.imencode(".webp", np.zeros((32, 42, 3), np.uint8), quality)[1].tobytes()
    clear = cv2.imencode(".webp", np.zeros((33, 43, 4), np.uint8), quality)[1].tobytes()

    assert b"VP8 " in lossy[:16]
    assert b"VP8X" in clear[:16]
    assert read_picture(grey) == Picture(MediaType.JPEG, 41, 31)
    assert read_picture(lossy) == Picture(MediaType.WEBP, 42, 32)
    assert read_picture(clear) == Picture(MediaType.WEBP, 43, 33)


def test_an_extended_webp_may_have_sides_that_no_jpeg_has() -> None:
    sides = (69_999).to_bytes(3, "little") + (59_999).to_bytes(3, "little")
    vp8x = b"RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00" + sides

    assert read_picture(vp8x) == Picture(MediaType.WEBP, 70_000, 60_000)
    assert is_whole(vp8x)


def test_rows_of_a_bmp_may_begin_at_the_top() -> None:
    data = EACH[".bmp"]
    upside_down = data[:22] + struct.pack("<i", -48) + data[26:]

    assert read_picture(upside_down) == Picture(MediaType.BMP, 64, 48)


def test_fill_bytes_before_a_marker_are_passed() -> None:
    filled = JPEG[:2] + b"\xff" * 1000 + JPEG[2:]

    assert read_picture(filled) == Picture(MediaType.JPEG, 320, 200)
    assert is_whole(filled)


@pytest.mark.parametrize("name", NO_PICTURES)
def test_what_is_no_picture_has_no_type(name: str) -> None:
    assert media_type_of(NO_PICTURES[name]) is None
    assert reason_of(NO_PICTURES[name]) == "NOT_AN_IMAGE"
    assert not is_whole(NO_PICTURES[name])


def test_no_bytes_are_empty() -> None:
    assert reason_of(b"") == "EMPTY"
    assert not is_whole(b"")


@given(st.integers(min_value=1, max_value=len(JPEG) - 1))
def test_a_jpeg_that_is_cut_off_anywhere_is_not_whole(length: int) -> None:
    cut = JPEG[:length]

    assert not is_whole(cut)
    # Behind its frame header it still says its size: a page shows it as far as it goes.
    if length > JPEG.index(b"\xff\xda"):
        assert read_picture(cut) == Picture(MediaType.JPEG, 320, 200)
    elif length < JPEG.index(b"\xff\xc0") + 9:
        assert reason_of(cut) == "TRUNCATED"


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_other_pictures_that_are_cut_off_anywhere_are_not_whole(suffix: str) -> None:
    data = EACH[suffix]
    for length in range(1, len(data) - 1):
        assert not is_whole(data[:length])
        # The signature with the first chunk's name is behind it; a PNG's size ends at byte 24.
        if 16 <= length < 24:
            assert reason_of(data[:length]) == "TRUNCATED"


def test_a_preview_inside_a_jpeg_does_not_count_as_its_end() -> None:
    preview = encoded(".jpg", 32, 24)
    exif = b"\xff\xe1" + struct.pack(">H", len(preview) + 2) + preview
    data = JPEG[:2] + exif + JPEG[2:]

    assert read_picture(data) == Picture(MediaType.JPEG, 320, 200)
    assert is_whole(data)
    assert not is_whole(data[:-200])


@pytest.mark.parametrize("suffix", WITH_AN_END)
def test_what_a_camera_appends_after_the_end_is_accepted(suffix: str) -> None:
    data = EACH[suffix] + b"\x00" * 100 + JPEG

    assert read_picture(data) == Picture(SUFFIXES[suffix], 64, 48)
    assert is_whole(data)


MALFORMED = {
    "JPEG without a frame header": b"\xff\xd8\xff\xda\x00\x02\xff\xd9",
    "JPEG that ends at once": b"\xff\xd8\xff\xd9\x00\x00",
    "JPEG without a marker": JPEG[:2] + b"\xff\xe0\x00\x02" + b"no marker here" + JPEG[20:],
    "JPEG with a segment of length 0": b"\xff\xd8\xff\xe0\x00\x00" + JPEG[2:],
    "JPEG of 0 columns": JPEG.replace(struct.pack(">HH", 200, 320), struct.pack(">HH", 200, 0)),
    "PNG without IHDR": EACH[".png"].replace(b"IHDR", b"JHDR"),
    "WebP of an unknown kind": EACH[".webp"].replace(b"VP8L", b"VP9 "),
    "AVIF without a size": EACH[".avif"].replace(b"ispe", b"nope"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_header_that_contradicts_its_format_is_malformed(name: str) -> None:
    assert reason_of(MALFORMED[name]) == "MALFORMED"


def test_a_bomb_is_known_by_its_header_alone() -> None:
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (30_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"

    assert read_picture(header) == Picture(MediaType.PNG, 30_000, 30_000)


@pytest.mark.parametrize(
    "flood",
    [b"\xff" * 5_000_000, b"\xff\xe0\x00\x02" * 1_250_000, b"\xff\xd0" * 2_500_000],
    ids=["fill bytes", "empty segments", "restart markers"],
)
def test_five_megabytes_of_nothing_before_the_frame_header_are_given_up_soon(flood: bytes) -> None:
    data = b"\xff\xd8" + flood
    started = time.process_time()
    assert reason_of(data) in {"MALFORMED", "TRUNCATED"}
    # 3 to 6 ms of the processor; a loop over every marker or byte takes 400.
    assert time.process_time() - started < 0.1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_head_alone_tells_type_and_size(suffix: str) -> None:
    data = encoded(suffix, 1920, 1080)
    # A BMP's type rests on its length: letters that many texts begin with prove nothing.
    head = data if suffix == ".bmp" else data[:1024]

    assert read_picture(head) == Picture(SUFFIXES[suffix], 1920, 1080)


@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=300))
@settings(max_examples=300)
def test_any_bytes_are_a_picture_or_no_picture_and_never_another_error(
    start: bytes, rest: bytes
) -> None:
    check_hostile(start + rest)


@given(
    suffix=st.sampled_from(sorted(SUFFIXES)),
    at=st.integers(0, 200),
    patch=st.binary(max_size=16),
    length=st.integers(0, 400),
)
@settings(max_examples=300)
def test_a_damaged_picture_is_a_picture_or_no_picture_and_never_another_error(
    suffix: str, at: int, patch: bytes, length: int
) -> None:
    data = bytearray(EACH[suffix])
    data[at : at + len(patch)] = patch
    check_hostile(data[:length])


def check_hostile(data: bytes | bytearray) -> None:
    assert outcome(lambda: read_picture(data)) in {
        "GOOD", "EMPTY", "NOT_AN_IMAGE", "TRUNCATED", "MALFORMED",
    }  # fmt: skip
    assert outcome(lambda: is_whole(data)) in {"GOOD", "MALFORMED"}
    assert outcome(lambda: jpeg_scans(data)) in {"GOOD", "MALFORMED"}


def outcome(read: Callable[[], Picture | bool | int]) -> str:
    try:
        value = read()
    except NotAPicture as refusal:
        return refusal.reason if len(refusal.details) < 200 else refusal.details
    if isinstance(value, Picture) and min(value.width_px, value.height_px) < 1:
        return "NO PIXELS"
    return "GOOD"
