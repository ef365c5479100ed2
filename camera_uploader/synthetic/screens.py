"""Still things that moving things can go behind: trees, posts, the booth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from camera_uploader.synthetic.lens import Image

Box = tuple[int, int, int, int]

HALF: Final = 127
SIGHT_SHRINK: Final = 4
"""The map of who hides whom has a quarter of the frame's width: shares need no more."""


@dataclass(frozen=True)
class Screen:
    """A still thing that moving things can go behind: a tree, a post, a booth.

    Attributes:
        box_px: (x_min, y_min, x_max, y_max) in whole pixels of the frame.
        share: (h, w) float32, how much of each pixel it covers.
        picture: (h, w, 3) the finished background inside the box.
        hiding: The same as `share`, yes or no, in the small map of `sight`.
        place_m, half_m: Middle and half side of the square it stands on.
    """

    box_px: Box
    share: npt.NDArray[np.float32]
    picture: Image
    hiding: npt.NDArray[np.bool_]
    place_m: tuple[float, float]
    half_m: float


@dataclass(frozen=True)
class Mask:
    """The pixels of one standing thing, cut out of the large picture."""

    part: Image
    box_px: Box
    place_m: tuple[float, float]
    half_m: float

    def screen(self, done: Image) -> Screen:
        """Return the thing as it looks in the finished background `done`."""
        x0, y0, x1, y1 = self.box_px
        share = cv2.resize(self.part, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
        # Laid into the grid of the small map before shrinking, so that its pixels coincide.
        n = SIGHT_SHRINK
        left, top = x0 // n * n, y0 // n * n
        grid = np.zeros((-(-(y1 - top) // n) * n, -(-(x1 - left) // n) * n), dtype=np.uint8)
        grid[y0 - top : y1 - top, x0 - left : x1 - left] = share
        size = (grid.shape[1] // n, grid.shape[0] // n)
        hiding = cv2.resize(grid, size, interpolation=cv2.INTER_AREA) > HALF
        return Screen(
            box_px=self.box_px,
            share=np.asarray(share, dtype=np.float32) / np.float32(255),
            picture=done[y0:y1, x0:x1].copy(),
            hiding=hiding,
            place_m=self.place_m,
            half_m=self.half_m,
        )
