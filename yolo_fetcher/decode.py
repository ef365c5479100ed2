"""From a picture's bytes to the model's input, within limits that are checked before decoding.

Coordinates are those of the stored grid: the rows and columns that the file holds. An EXIF
orientation is ignored, as it is metadata about viewing and not about pixels: the same pixels with
and without the tag get the same boxes, and a viewer that draws them shows the picture unrotated
(CSS `image-orientation: none`).
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from pinhole.contract.errors import TooLarge
from pinhole.contract.picture import MediaType, NotAPicture, Picture
from yolo_fetcher.header import read_header
from yolo_fetcher.letterbox import Pixels, Placement, fit_ratio, letterbox

# JPEG decodes straight to a half, quarter or eighth of its size, skipping most of the inverse
# transform. On one core, without and with: 4K 38 -> 12 ms (1/4), 1080p 5.6 -> 4.3 ms (1/2). What
# remains is entropy decoding; libjpeg-turbo bindings with finer steps (simplejpeg) gained 5 %.
_REDUCED: Final = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused unseen."""

    max_bytes: int
    max_pixels: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture ready for the model."""

    pixels: Pixels
    """Shape (input height, input width, 3), BGR."""
    placement: Placement


def check(data: bytes, limits: Limits) -> Picture:
    """Return the picture's header if its bytes and pixels are within `limits`.

    Raises:
        TooLarge: reason TOO_LARGE (bytes) or TOO_MANY_PIXELS.
        NotAPicture: see `read_header`.
    """
    if len(data) > limits.max_bytes:
        raise TooLarge(f"the picture has {len(data)} bytes, at most {limits.max_bytes} are read")
    header = read_header(data)
    pixels = header.width_px * header.height_px
    if pixels > limits.max_pixels:
        raise TooLarge(
            f"the picture states {header.width_px}x{header.height_px} = {pixels} pixels,"
            f" at most {limits.max_pixels} are decoded",
            reason="TOO_MANY_PIXELS",
        )
    return header


def prepare(data: bytes, limits: Limits, input_hw: tuple[int, int]) -> Prepared:
    """Return the picture as the model's input. CPU-bound: call it from a worker thread.

    Raises:
        TooLarge, NotAPicture: see `check`; reason UNDECODABLE where the content is broken.
    """
    header = check(data, limits)
    reduction = _reduction(header, input_hw)
    decoded = _decode(data, reduction)
    frame_wh_px = (header.width_px, header.height_px)
    return Prepared(*letterbox(decoded, frame_wh_px, reduction, input_hw))


def full(data: bytes, limits: Limits) -> Pixels:
    """Return the whole picture, for drawing into. Raises as `prepare` does."""
    check(data, limits)
    return _decode(data, 1)


def _reduction(header: Picture, input_hw: tuple[int, int]) -> int:
    """Return the largest reduction that still leaves at least the pixels the model will see."""
    if header.media_type is not MediaType.JPEG:
        return 1  # OpenCV decodes the others whole and shrinks them afterwards
    ratio = fit_ratio(header.width_px, header.height_px, input_hw)
    return max(step for step in _REDUCED if step * ratio <= 1 or step == 1)


def _decode(data: bytes, reduction: int) -> Pixels:
    flags = _REDUCED[reduction] | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise NotAPicture(
            f"the decoder refused the picture: {error.err}", reason="UNDECODABLE"
        ) from error
    if decoded is None:
        raise NotAPicture("the picture's content is broken", reason="UNDECODABLE")
    return np.asarray(decoded, np.uint8)
