"""From shots to frames."""

import hashlib
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest

from camera_uploader.developing import Developer, Unusable
from camera_uploader.frame import FileShot, PixelShot, RefusalReason
from camera_uploader.settings import Oversize
from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid
from tests.camera_uploader.pictures import encoded, jpeg, pixels, static

# Whole, and wider than an event can say: 70,000 pixels.
_WIDE_WEBP = (
    b"RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00"
    + (69_999).to_bytes(3, "little")
    + (99).to_bytes(3, "little")
)
_AT = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def _file(data: bytes) -> FileShot:
    return FileShot(data=data, captured_at=_AT)


def _pixels(width_px: int, height_px: int) -> PixelShot:
    return PixelShot(pixels=static(width_px, height_px), captured_at=_AT)


def test_a_file_becomes_a_frame_with_the_same_bytes(photo: bytes) -> None:
    frame = Developer().develop(_file(photo))

    assert frame.data == photo
    assert frame.cid.sha256 == hashlib.sha256(photo).hexdigest()
    assert (frame.media_type, frame.width_px, frame.height_px) == ("image/jpeg", 810, 1080)
    assert frame.captured_at == _AT


def test_pixels_become_a_jpeg_of_the_quality_that_is_set() -> None:
    shot = PixelShot(pixels=pixels(1, 320, 240), captured_at=_AT)

    good, poor = Developer(90).develop(shot), Developer(20).develop(shot)

    assert (good.width_px, good.height_px, good.media_type) == (320, 240, "image/jpeg")
    assert len(poor.data) < len(good.data)
    decoded = cv2.imdecode(np.frombuffer(good.data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert np.abs(decoded.astype(int) - shot.pixels.astype(int)).mean() < 3  # 90 is near lossless


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", RefusalReason.EMPTY),
        (b"<html>not a picture</html>", RefusalReason.NOT_AN_IMAGE),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", RefusalReason.NOT_AN_IMAGE),
        (b"GIF89a\x01\x00\x01\x00", RefusalReason.NOT_AN_IMAGE),
        (_WIDE_WEBP, RefusalReason.NOT_AN_IMAGE),
        (b"\xff\xd8\xff\xe0\x00\x00", RefusalReason.NOT_AN_IMAGE),
        (jpeg(1)[:-300], RefusalReason.INCOMPLETE),
        (jpeg(1)[:2], RefusalReason.INCOMPLETE),
    ],
)
def test_a_file_that_is_no_whole_picture_is_refused(data: bytes, reason: RefusalReason) -> None:
    with pytest.raises(Unusable) as refused:
        Developer().develop(_file(data))

    assert refused.value.refusal_reason is reason


def _of_size(size_bytes: int) -> bytes:
    """Return a JPEG of exactly this size: what follows the end marker is the file's too."""
    data = jpeg(1)
    return data + b"\x00" * (size_bytes - len(data))


def test_a_picture_of_exactly_one_block_is_taken() -> None:
    frame = Developer().develop(_file(_of_size(MAX_BLOCK_BYTES)))

    assert len(frame.data) == MAX_BLOCK_BYTES


def test_a_picture_of_one_byte_more_is_refused_with_size_and_limit() -> None:
    with pytest.raises(Unusable, match="2096897 bytes, one block holds 2096896") as refused:
        Developer().develop(_file(_of_size(MAX_BLOCK_BYTES + 1)))

    assert refused.value.refusal_reason is RefusalReason.TOO_LARGE


def test_pixels_that_encode_to_more_than_a_block_are_refused() -> None:
    with pytest.raises(Unusable, match="CAMERA_OVERSIZE=reencode") as refused:
        Developer().develop(_pixels(2400, 1600))

    assert refused.value.refusal_reason is RefusalReason.TOO_LARGE


def test_where_set_an_oversize_file_is_reencoded_and_the_event_says_what_it_was() -> None:
    original = encoded(".png", static(1200, 900))
    assert len(original) > MAX_BLOCK_BYTES

    frame = Developer(oversize=Oversize.REENCODE).develop(_file(original))

    assert len(frame.data) <= MAX_BLOCK_BYTES
    assert frame.media_type == "image/jpeg"
    assert (frame.width_px, frame.height_px) == (1200, 900)
    assert frame.attributes == {
        "original_sha256": Cid.of(original).sha256,
        "original_size_bytes": len(original),
    }


def test_where_set_oversize_pixels_are_made_to_fit_one_block() -> None:
    frame = Developer(oversize=Oversize.REENCODE).develop(_pixels(3000, 2000))

    assert len(frame.data) <= MAX_BLOCK_BYTES
    assert frame.attributes == {}


def test_a_bomb_is_not_decoded_even_where_reencoding_is_set() -> None:
    data = bytearray(_of_size(MAX_BLOCK_BYTES + 1))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = (30_000).to_bytes(2, "big") * 2

    with pytest.raises(Unusable, match="900000000 pixels") as refused:
        Developer(oversize=Oversize.REENCODE).develop(_file(bytes(data)))

    assert refused.value.refusal_reason is RefusalReason.TOO_LARGE


def test_what_a_driver_returns_and_opencv_cannot_encode_is_refused() -> None:
    broken = PixelShot(pixels=np.zeros((0, 0, 3), np.uint8), captured_at=_AT)

    with pytest.raises(Unusable) as refused:
        Developer().develop(broken)

    assert refused.value.refusal_reason is RefusalReason.NOT_ENCODED
