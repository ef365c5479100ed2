"""From a shot to a frame: encode pixels, look at files, keep to one block.

Bytes that came encoded pass untouched unless they exceed one block and the setting asks for
re-encoding; the event then says what the original was.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from camera_uploader.frame import (
    FileShot,
    Frame,
    Pixels,
    PixelShot,
    RefusalReason,
    Shot,
    shape,
)
from camera_uploader.settings import Oversize
from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid
from pinhole.contract.errors import Refused
from pinhole.contract.event import MAX_SIDE_PX, AttributeValue
from pinhole.contract.picture import MediaType, NotAPicture, Picture, is_whole, read_picture

# Steps by which a picture that is too large for one block is made smaller: first quality, which
# keeps every pixel, then size. The last gives 1/16 of the pixels.
_SMALLER: Final = ((80, 1.0), (70, 1.0), (60, 1.0), (75, 0.7), (75, 0.5), (75, 0.25))
# A file to re-encode is decoded; above this many pixels it is refused instead (a 30,000 x 30,000
# PNG of 1 MB would take 2.7 GB of memory).
_MAX_DECODED_PX: Final = 64_000_000

_TAKEN: Final = (MediaType.JPEG, MediaType.PNG, MediaType.WEBP)
# What a reader says of bytes, in the camera's words: one that is cut off may still be written.
_REASONS: Final = {
    "EMPTY": RefusalReason.EMPTY,
    "TRUNCATED": RefusalReason.INCOMPLETE,
    "NOT_AN_IMAGE": RefusalReason.NOT_AN_IMAGE,
    "MALFORMED": RefusalReason.NOT_AN_IMAGE,
}


class Unusable(Refused):
    """A shot that cannot become a frame; `reason` is a `RefusalReason`."""

    def __init__(self, reason: RefusalReason, details: str) -> None:
        super().__init__(details, reason=reason)
        self.refusal_reason = reason


@dataclass(frozen=True, slots=True)
class Developer:
    """Makes frames of shots, as the settings say. Holds nothing; may be used by any thread."""

    jpeg_quality: int = 90
    oversize: Oversize = Oversize.REFUSE
    limit_bytes: int = MAX_BLOCK_BYTES

    def develop(self, shot: Shot) -> Frame:
        """Return the frame of `shot`.

        Raises:
            Unusable: it is no picture, or larger than one block where that is to be refused.
        """
        match shot:
            case PixelShot():
                return self._of_pixels(shot)
            case FileShot():
                return self._of_file(shot)

    def _of_pixels(self, shot: PixelShot) -> Frame:
        data, (width_px, height_px) = encode(shot.pixels, self.jpeg_quality), shape(shot.pixels)
        if len(data) > self.limit_bytes:
            data, (width_px, height_px) = self._smaller(shot.pixels, len(data))
        return _frame(shot, data, Picture(MediaType.JPEG, width_px, height_px))

    def _of_file(self, shot: FileShot) -> Frame:
        seen = inspect(shot.data)
        if len(shot.data) > self.limit_bytes:
            return self._reencoded(shot, seen)
        return _frame(shot, shot.data, seen)

    def _reencoded(self, shot: FileShot, seen: Picture) -> Frame:
        pixels = self._decoded(shot.data, seen)
        data, (width_px, height_px) = self._smaller(pixels, len(shot.data))
        origin: dict[str, AttributeValue] = {
            "original_sha256": Cid.of(shot.data).sha256,
            "original_size_bytes": len(shot.data),
        }
        return _frame(shot, data, Picture(MediaType.JPEG, width_px, height_px), origin)

    def _decoded(self, data: bytes, seen: Picture) -> Pixels:
        self._check_may_shrink(len(data))
        pixel_count = seen.width_px * seen.height_px
        if pixel_count > _MAX_DECODED_PX:
            raise Unusable(
                RefusalReason.TOO_LARGE,
                f"{len(data)} bytes are more than one block, and {pixel_count} pixels are more "
                f"than the {_MAX_DECODED_PX} that would be re-encoded",
            )
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if pixels is None:
            raise Unusable(RefusalReason.NOT_AN_IMAGE, f"{len(data)} bytes could not be decoded")
        return pixels.astype(np.uint8, copy=False)

    def _check_may_shrink(self, size_bytes: int) -> None:
        if self.oversize is Oversize.REFUSE:
            raise Unusable(
                RefusalReason.TOO_LARGE,
                f"the picture has {size_bytes} bytes, one block holds {self.limit_bytes}; "
                "CAMERA_OVERSIZE=reencode would make it smaller",
            )

    def _smaller(self, pixels: Pixels, size_bytes: int) -> tuple[bytes, tuple[int, int]]:
        """Return a JPEG that fits one block and its (width_px, height_px)."""
        self._check_may_shrink(size_bytes)
        for quality, scale in _SMALLER:
            scaled = pixels if scale == 1 else _scaled(pixels, scale)
            data = encode(scaled, min(quality, self.jpeg_quality))
            if len(data) <= self.limit_bytes:
                return data, shape(scaled)
        raise Unusable(
            RefusalReason.TOO_LARGE,
            f"the picture has {size_bytes} bytes and stayed above {self.limit_bytes} at a quarter "
            "of its width",
        )


def inspect(data: bytes) -> Picture:
    """Return what an encoded picture says of itself, if it is a whole one that can be a frame.

    Raises:
        Unusable: EMPTY, NOT_AN_IMAGE (also: larger than an event can say), or INCOMPLETE.
    """
    try:
        seen = read_picture(data)
        whole = is_whole(data)
    except NotAPicture as error:
        raise Unusable(_REASONS[error.reason], error.details) from error
    if seen.media_type not in _TAKEN:
        raise Unusable(
            RefusalReason.NOT_AN_IMAGE,
            f"the {len(data)} bytes are {seen.media_type}; JPEG, PNG and WebP are taken",
        )
    if max(seen.width_px, seen.height_px) > MAX_SIDE_PX:
        raise Unusable(
            RefusalReason.NOT_AN_IMAGE,
            f"the header states {seen.width_px}x{seen.height_px} pixels, "
            f"a side has at most {MAX_SIDE_PX}",
        )
    if not whole:
        raise Unusable(
            RefusalReason.INCOMPLETE,
            f"the {seen.media_type} ends after {len(data)} bytes without its last marker",
        )
    return seen


def encode(pixels: Pixels, quality: int) -> bytes:
    """Return `pixels` as a JPEG of `quality` 1 to 100.

    Raises:
        Unusable: they cannot be encoded (a driver returned something that is no picture).
    """
    try:
        done, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error as error:
        raise Unusable(RefusalReason.NOT_ENCODED, f"OpenCV could not encode: {error}") from error
    if not done:
        raise Unusable(RefusalReason.NOT_ENCODED, "OpenCV could not encode the pixels")
    return bytes(encoded)


def _scaled(pixels: Pixels, scale: float) -> Pixels:
    smaller = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return smaller.astype(np.uint8, copy=False)


def _frame(
    shot: Shot, data: bytes, seen: Picture, more: dict[str, AttributeValue] | None = None
) -> Frame:
    return Frame(
        data=data,
        cid=Cid.of(data),
        media_type=seen.media_type,
        width_px=seen.width_px,
        height_px=seen.height_px,
        captured_at=shot.captured_at,
        mark=shot.mark,
        attributes={**shot.attributes, **(more or {})},
    )
