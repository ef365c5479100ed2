"""Where a picture lies in the model's input, and the way back for its boxes.

The numbers (rounding, 114 grey, bilinear) are those the models were trained with: ultralytics'
`LetterBox`, which the tests compare pixel by pixel.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""A picture: shape (height, width, 3), channels B, G, R, values 0 to 255."""

_PADDING_GREY: Final = 114


@dataclass(frozen=True, slots=True)
class Placement:
    """How a stored frame of `width_px` x `height_px` lies in the model's input.

    A point (x, y) of the frame is at (x * scale_x + left_px, y * scale_y + top_px) of the input.
    """

    width_px: int
    height_px: int
    scale_x: float
    scale_y: float
    left_px: int
    top_px: int

    def to_frame(self, xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return boxes (n, 4) of the input as boxes in pixels of the stored frame, clipped to it.

        Order x_min, y_min, x_max, y_max throughout.
        """
        offset = np.array((self.left_px, self.top_px) * 2, np.float32)
        scale = np.array((self.scale_x, self.scale_y) * 2, np.float32)
        limit = np.array((self.width_px, self.height_px) * 2, np.float32)
        boxes: NDArray[np.float32] = np.clip((xyxy - offset) / scale, 0, limit)
        return boxes


def fit_ratio(width_px: int, height_px: int, input_hw: tuple[int, int]) -> float:
    """Return by how much a picture is scaled to lie inside the input (above 1: enlarged)."""
    return min(input_hw[0] / height_px, input_hw[1] / width_px)


def letterbox(
    decoded: Pixels, frame_wh_px: tuple[int, int], reduction: int, input_hw: tuple[int, int]
) -> tuple[Pixels, Placement]:
    """Return the model's input, shape (*input_hw, 3), and where the frame lies in it.

    `decoded` is the frame at 1/`reduction` of its size. A reduced JPEG of 1921 px at 1/2 has 961
    columns of which the last is half a pixel: one decoded pixel is exactly `reduction` frame
    pixels, so that, not 1921/961, is the scale back (7 px apart at the right edge for 1/8).
    """
    height, width = decoded.shape[:2]
    ratio = fit_ratio(width, height, input_hw)
    fitted_wh = max(round(width * ratio), 1), max(round(height * ratio), 1)
    if fitted_wh != (width, height):
        resized = cv2.resize(decoded, fitted_wh, interpolation=cv2.INTER_LINEAR)
    else:
        resized = decoded
    left = round((input_hw[1] - fitted_wh[0]) / 2 - 0.1)
    top = round((input_hw[0] - fitted_wh[1]) / 2 - 0.1)
    canvas = np.full((*input_hw, 3), _PADDING_GREY, np.uint8)
    canvas[top : top + fitted_wh[1], left : left + fitted_wh[0]] = resized
    return canvas, Placement(
        *frame_wh_px,
        scale_x=fitted_wh[0] / width / reduction,
        scale_y=fitted_wh[1] / height / reduction,
        left_px=left,
        top_px=top,
    )
