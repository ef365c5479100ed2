"""What of everything can be seen: a small map of who covers which pixel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from camera_uploader.synthetic.labels import CLASS_IDS, Truth
from camera_uploader.synthetic.lens import Floats, Image, Lens
from camera_uploader.synthetic.screens import SIGHT_SHRINK as SHRINK
from camera_uploader.synthetic.screens import Screen

MIN_SHARE: Final = 0.3
LARGE_SHARE: Final = 0.012
"""Of the frame: what covers more is told even if most of the object is outside or hidden."""

MIN_PLATE_SHARE: Final = 0.75
MIN_HEIGHT_PX: Final = 18.0
MIN_WIDTH_PX: Final = 8.0
MIN_PLATE_WIDTH_PX: Final = 40.0
"""Smallest things that are told, for a frame 1280 px wide; a plate below cannot be read."""


MAX_THINGS: Final = 255
"""The map has one byte a pixel."""


@dataclass(frozen=True, slots=True)
class _Seen:
    class_name: str
    text: str | None
    xyxy_px: tuple[float, float, float, float]
    area: float
    key: tuple[int, int, str]


class Sight:
    """Collects what is painted, far to near, and tells at the end what remained visible."""

    def __init__(self, lens: Lens) -> None:
        self._lens = lens
        shape = (-(-lens.height_px // SHRINK), -(-lens.width_px // SHRINK))
        self._map: Image = np.zeros(shape, dtype=np.uint8)
        self._seen: list[_Seen] = []

    def cover(
        self, class_name: str, key: tuple[int, int, str], xy_px: Floats, *, text: str | None = None
    ) -> None:
        """Note that a thing was painted inside the convex hull of `xy_px` (N, 2)."""
        hull = cv2.convexHull((xy_px / SHRINK).astype(np.float32))
        area = max(float(cv2.contourArea(hull)), 1e-3)
        points = np.round(hull * 16).astype(np.int32)
        number = len(self._seen) + 1
        if number > MAX_THINGS:
            return
        mount = next((i for i, s in enumerate(self._seen, 1) if s.key == (key[0], key[1], "")), 0)
        if key[2] == "rider" and mount:
            # A rider sits in the saddle: neither hides the other.
            mine = np.zeros_like(self._map)
            cv2.fillConvexPoly(mine, points, 1, cv2.LINE_8, 4)
            free = (mine > 0) & (self._map != mount)
            area = max(area - float(((mine > 0) & ~free).sum()), 1e-3)
            self._map[free] = number
        else:
            cv2.fillConvexPoly(self._map, points, number, cv2.LINE_8, 4)
        (x0, y0), (x1, y1) = xy_px.min(axis=0).tolist(), xy_px.max(axis=0).tolist()
        width, height = float(self._lens.width_px), float(self._lens.height_px)
        box = (
            min(max(x0, 0.0), width),
            min(max(y0, 0.0), height),
            min(max(x1, 0.0), width),
            min(max(y1, 0.0), height),
        )
        self._seen.append(_Seen(class_name, text, box, area, key))

    def hide(self, screen: Screen) -> None:
        """Something still was painted over what is there so far."""
        left, top = screen.box_px[0] // SHRINK, screen.box_px[1] // SHRINK
        height, width = screen.hiding.shape
        region = self._map[top : top + height, left : left + width]
        region[screen.hiding[: region.shape[0], : region.shape[1]]] = 0

    def truths(self) -> list[Truth]:
        """Return everything that is large enough and visible enough to be told."""
        return [truth for truth, told in self._visible() if told]

    def unclear(self) -> list[Truth]:
        """Return what can be seen too, but is too small or too hidden to be told."""
        return [truth for truth, told in self._visible() if not told]

    def _visible(self) -> Iterator[tuple[Truth, bool]]:
        """Yield each thing of which at least a spot can be seen, and whether it is told."""
        counts = np.bincount(self._map.ravel(), minlength=len(self._seen) + 1)[1:]
        pixels = dict(zip([seen.key for seen in self._seen], counts.tolist(), strict=False))
        for seen, count in zip(self._seen, counts.tolist(), strict=False):
            if seen.text is not None:
                # What a plate covers of its vehicle is vehicle too.
                pixels[(*seen.key[:2], "")] += count
        for seen in self._seen:
            if seen.class_name in CLASS_IDS and pixels[seen.key] > 0:
                share = min(1.0, pixels[seen.key] / seen.area)
                truth = Truth(seen.class_name, seen.xyxy_px, seen.text, share)
                yield truth, self._tells(seen, pixels[seen.key])

    def _tells(self, seen: _Seen, pixels: int) -> bool:
        """Return whether somebody who looks at the frame can be expected to see it."""
        x_min, y_min, x_max, y_max = seen.xyxy_px
        scale, share = self._lens.width_px / 1280, pixels / seen.area
        if seen.text is not None:
            return x_max - x_min >= MIN_PLATE_WIDTH_PX * scale and share >= MIN_PLATE_SHARE
        large = y_max - y_min >= MIN_HEIGHT_PX * scale and x_max - x_min >= MIN_WIDTH_PX * scale
        covers = pixels / self._map.size
        return large and (share >= MIN_SHARE or covers >= LARGE_SHARE)
