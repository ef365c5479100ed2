"""What bytes are, told from the bytes."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_uploader import picture
from camera_uploader.picture import Picture
from tests.camera_uploader.pictures import encoded, jpeg, pixels

_JPEG = jpeg(1, 320, 200)


@pytest.mark.parametrize(
    ("suffix", "media_type"),
    [(".jpg", "image/jpeg"), (".png", "image/png"), (".webp", "image/webp")],
)
def test_type_and_size_are_read_from_the_bytes(suffix: str, media_type: str) -> None:
    data = encoded(suffix, pixels(1, 321, 123))

    assert picture.read(data) == Picture(media_type, 321, 123, complete=True)


def test_a_real_photograph_is_complete(photo: bytes) -> None:
    assert picture.read(photo) == Picture("image/jpeg", 810, 1080, complete=True)


def test_lossy_and_extended_webp_are_read() -> None:
    lossy = (
        b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8 " + struct.pack("<I", 10)
        + b"\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", 640, 480)
    )  # fmt: skip
    extended = (
        b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10)
        + b"\x00" * 4 + (1919).to_bytes(3, "little") + (1079).to_bytes(3, "little")
    )  # fmt: skip

    assert picture.read(lossy) == Picture("image/webp", 640, 480, complete=True)
    assert picture.read(extended) == Picture("image/webp", 1920, 1080, complete=True)


@given(st.integers(min_value=1, max_value=len(_JPEG) - 2))
def test_a_jpeg_that_is_cut_off_anywhere_is_incomplete(length: int) -> None:
    seen = picture.read(_JPEG[:length])

    assert seen is not None
    assert seen.media_type == "image/jpeg"
    assert not seen.complete


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_other_pictures_that_are_cut_off_are_incomplete(suffix: str) -> None:
    data = encoded(suffix, pixels(1, 64, 64))

    for length in range(16, len(data) - 1):
        seen = picture.read(data[:length])
        assert seen is not None
        assert not seen.complete


def test_a_preview_inside_a_jpeg_does_not_count_as_its_end() -> None:
    preview = jpeg(2, 32, 24)
    exif = b"\xff\xe1" + struct.pack(">H", len(preview) + 2) + preview
    data = _JPEG[:2] + exif + _JPEG[2:]

    whole, cut = picture.read(data), picture.read(data[:-200])

    assert whole == Picture("image/jpeg", 320, 200, complete=True)
    assert cut is not None
    assert not cut.complete


def test_what_a_camera_appends_after_the_end_is_accepted() -> None:
    seen = picture.read(_JPEG + b"\x00" * 100 + jpeg(3))

    assert seen == Picture("image/jpeg", 320, 200, complete=True)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"<!DOCTYPE html><html></html>", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        *(
            b"GIF89a\x01\x00\x01\x00",
            b"\x00" * 4096,
            b"\xff\xd8\xff\xd9\x00\x00",
            b"BM" + b"\x00" * 60,
        ),
        _JPEG[:2] + b"\xff\xe0\x00\x02" + b"no marker here" + _JPEG[20:],
    ],
    ids=["empty", "html", "svg", "gif", "zeros", "jpeg-without-picture", "bmp", "broken-jpeg"],
)
def test_what_is_no_picture_of_ours_is_none(data: bytes) -> None:
    assert picture.read(data) is None


def test_a_bomb_is_described_without_being_decoded() -> None:
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header + b"\x00" * 4
    bomb += b"\x00\x00\x00\x00IEND\xaeB`\x82"

    assert picture.read(bomb) == Picture("image/png", 30_000, 30_000, complete=True)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail(data: bytes) -> None:
    for start in (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x10\x00\x00\x00WEBPVP8 "):
        picture.read(start + data)
