"""Where the still part of a scene is painted once: large, with depth, and lit at the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from camera_uploader.synthetic.lens import Floats, Image, Lens
from camera_uploader.synthetic.mesh import Bgr
from camera_uploader.synthetic.screens import Mask, Screen
from camera_uploader.synthetic.weather import LAMP_BGR, Light

SUPERSAMPLING: Final = 2
FAR_M: Final = 400.0
BAND_PX: Final = 128
LEVEL: Final = 1e-4
"""Rays that fall less than this a metre meet the ground too far away to matter."""


def bands(height_px: int) -> Iterator[slice]:
    """Yield the rows of a picture in bands: arithmetic in floats takes four times its memory."""
    for first in range(0, height_px, BAND_PX):
        yield slice(first, min(first + BAND_PX, height_px))


class Easel:
    """A picture in the making, `SUPERSAMPLING` times as large as the frame.

    Colours are the things' own; `finish` adds lamps, haze and what shines by itself.
    """

    def __init__(self, lens: Lens, light: Light) -> None:
        self.lens = lens.scaled(SUPERSAMPLING)
        self.light = light
        shape = (self.lens.height_px, self.lens.width_px, 3)
        self.picture: Image = np.zeros(shape, dtype=np.uint8)
        self.glow: Image = np.zeros(shape, dtype=np.uint8)
        self.depth = np.full(shape[:2], FAR_M, dtype=np.float32)
        self._frame_lens = lens
        self._masks: list[Mask] = []
        self._mask: Image | None = None

    def begin_screen(self) -> None:
        """All that is painted until `end_screen` belongs to one thing one can be hidden by."""
        self._mask = np.zeros(self.picture.shape[:2], dtype=np.uint8)

    def end_screen(self, place_m: tuple[float, float], half_m: float) -> None:
        """Complete the thing; it stands on a square around `place_m`."""
        mask, self._mask = self._mask, None
        if mask is None:
            raise RuntimeError("end_screen without begin_screen")
        x, y, width, height = cv2.boundingRect(mask)
        if width:
            # Whole pixels of the frame, so that shrinking the part is shrinking the whole.
            n = SUPERSAMPLING
            x0, y0, x1, y1 = x // n, y // n, -(-(x + width) // n), -(-(y + height) // n)
            part = mask[y0 * n : y1 * n, x0 * n : x1 * n].copy()
            self._masks.append(Mask(part, (x0, y0, x1, y1), place_m, half_m))

    def lit(self, bgr: Bgr, normal: tuple[float, float, float]) -> list[float]:
        """Return a colour as the sun and the sky light it, without lamps."""
        far = np.array([0.0, 1e6, 0.0])
        colours = self.light.lit(np.array([bgr]), np.array([normal]), np.zeros(1), far)
        return [float(channel) for channel in np.clip(colours[0], 0, 255)]

    def polygon(
        self,
        corners_m: Floats,
        bgr: Bgr,
        *,
        normal: tuple[float, float, float] = (0, 0, 1),
        deep: bool = False,
    ) -> None:
        """Paint a flat polygon; with `deep` enter it into the depth map as well."""
        outline = self.lens.outline(corners_m)
        if outline is None:
            return
        points = [np.round(np.clip(outline, -8e4, 8e4) * 16).astype(np.int32)]
        cv2.fillPoly(self.picture, points, self.lit(bgr, normal), cv2.LINE_AA, 4)
        if deep:
            depth = float(((corners_m - self.lens.eye_m) @ self.lens.axes[2]).mean())
            cv2.fillPoly(self.depth, points, max(depth, 1.0), cv2.LINE_8, 4)
            cv2.fillPoly(self.glow, points, (0, 0, 0), cv2.LINE_8, 4)
        if self._mask is not None:
            cv2.fillPoly(self._mask, points, 255, cv2.LINE_AA, 4)

    def ground(
        self, x: tuple[float, float], y: tuple[float, float], bgr: Bgr, *, z: float = 0.0
    ) -> None:
        """Paint a level rectangle on the map."""
        corners = np.array([(x[0], y[0], z), (x[1], y[0], z), (x[1], y[1], z), (x[0], y[1], z)])
        self.polygon(corners, bgr)

    def box(
        self, x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], bgr: Bgr
    ) -> None:
        """Paint an upright box: the sides that face the camera, then the top."""
        eye = self.lens.eye_m
        if eye[1] < y[0] or eye[1] > y[1]:
            at = y[0] if eye[1] < y[0] else y[1]
            corners = np.array(
                [(x[0], at, z[0]), (x[1], at, z[0]), (x[1], at, z[1]), (x[0], at, z[1])]
            )
            self.polygon(corners, bgr, normal=(0, -1 if eye[1] < y[0] else 1, 0), deep=True)
        if eye[0] < x[0] or eye[0] > x[1]:
            at = x[0] if eye[0] < x[0] else x[1]
            corners = np.array(
                [(at, y[0], z[0]), (at, y[1], z[0]), (at, y[1], z[1]), (at, y[0], z[1])]
            )
            self.polygon(corners, bgr, normal=(-1 if eye[0] < x[0] else 1, 0, 0), deep=True)
        if eye[2] > z[1]:
            corners = np.array(
                [(x[0], y[0], z[1]), (x[1], y[0], z[1]), (x[1], y[1], z[1]), (x[0], y[1], z[1])]
            )
            self.polygon(corners, bgr, deep=True)

    def texture(
        self, corners_m: Floats, front: Image, glow: Image, normal: tuple[float, float, float]
    ) -> None:
        """Lay a picture on an upright rectangle: left top, right top, right bottom, left bottom."""
        points, depths = self.lens.project(corners_m)
        if depths.min() < 1.0:
            return
        width, height = self.lens.width_px, self.lens.height_px
        low, high = points.min(axis=0), points.max(axis=0)
        if high[0] < 0 or high[1] < 0 or low[0] > width or low[1] > height:
            return
        x0, y0 = np.clip(np.floor(low), 0, (width, height)).astype(int)
        x1, y1 = np.clip(np.ceil(high) + 1, 0, (width, height)).astype(int)
        across = max(
            float(np.linalg.norm(points[1] - points[0])),
            float(np.linalg.norm(points[2] - points[3])),
        )
        upright = max(
            float(np.linalg.norm(points[3] - points[0])),
            float(np.linalg.norm(points[2] - points[1])),
        )
        size = (
            int(np.clip(across * 1.3, 4, front.shape[1])),
            int(np.clip(upright * 1.3, 4, front.shape[0])),
        )
        source = np.array([(0, 0), (size[0], 0), size, (0, size[1])], dtype=np.float32)
        warp = cv2.getPerspectiveTransform(source, (points - (x0, y0)).astype(np.float32))
        box = (int(x1 - x0), int(y1 - y0))
        mask = np.zeros((box[1], box[0]), dtype=np.uint8)
        cv2.fillConvexPoly(
            mask, np.round((points - (x0, y0)) * 16).astype(np.int32), 255, cv2.LINE_8, 4
        )
        factors = np.array(self.lit((100.0, 100.0, 100.0), normal)) / 100
        for target, picture, scale in (
            (self.picture, front, factors),
            (self.glow, glow, np.ones(3)),
        ):
            small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
            toned = np.clip(small * scale, 0, 255).astype(np.uint8)
            laid = cv2.warpPerspective(
                toned, warp, box, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            cv2.copyTo(laid, mask, target[y0:y1, x0:x1])
        self.depth[y0:y1, x0:x1][mask > 0] = depths.mean()

    def ground_depth(self) -> None:
        """Enters the ground plane into the depth map."""
        rows = np.arange(self.lens.height_px, dtype=np.float64) - self.lens.height_px / 2
        falling = self.lens.axes[1, 2] * rows / self.lens.focal_px + self.lens.axes[2, 2]
        below = falling < -LEVEL
        depth = np.full(len(rows), FAR_M)
        depth[below] = np.minimum(FAR_M, -self.lens.eye_m[2] / falling[below])
        self.depth[:] = depth[:, None]

    def shade(self, corners_m: list[Floats], strength: float, blur_px: int) -> None:
        """Darkens polygons together, with soft edges: overlapping shadows do not add up."""
        mask = np.zeros(self.picture.shape[:2], dtype=np.uint8)
        for corners in corners_m:
            outline = self.lens.outline(corners)
            if outline is not None:
                points = np.round(np.clip(outline, -8e4, 8e4) * 16).astype(np.int32)
                cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, 4)
        soft = cv2.GaussianBlur(mask, (0, 0), blur_px)
        for rows in bands(self.lens.height_px):
            factor = 1 - strength * (soft[rows].astype(np.float32) / 255)
            self.picture[rows] = (self.picture[rows] * factor[:, :, None]).astype(np.uint8)

    def finish(self, *, night: bool) -> tuple[Image, list[Screen]]:
        """Return the background in the size of the frame, and what moving things can go behind."""
        size = (self._frame_lens.width_px, self._frame_lens.height_px)
        picture = cv2.resize(self.picture, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        depth = cv2.resize(self.depth, size, interpolation=cv2.INTER_AREA)
        if len(self.light.lamps_m):
            picture *= 1 + self._lamp_map(size) * (
                LAMP_BGR / LAMP_BGR[1] * (3.4 if night else 0.5)
            ).astype(np.float32)
        clear = np.exp(-self.light.fog_per_m * depth)[:, :, None]
        # The sky keeps its own colours; a hundred metres of air are enough to reach its haze.
        sky = (depth >= FAR_M * 0.99)[:, :, None]
        clear = np.where(sky, np.exp(-self.light.fog_per_m * 90), clear).astype(np.float32)
        picture = picture * clear + self.light.haze_bgr.astype(np.float32) * (1 - clear)
        if night or self.light.headlights:
            glow = (
                cv2.resize(self.glow, size, interpolation=cv2.INTER_AREA).astype(np.float32) * clear
            )
            bloom = cv2.GaussianBlur(glow, (0, 0), size[0] / 110)
            picture += (glow * 0.9 + bloom * 0.6) * (1.0 if night else 0.45)
        done: Image = np.clip(picture, 0, 255).astype(np.uint8)
        return done, [mask.screen(done) for mask in self._masks]

    def _lamp_map(self, size: tuple[int, int]) -> npt.NDArray[np.float32]:
        """Return (H, W, 1) how strongly street lamps light each pixel, as pools on the ground."""
        small = self._frame_lens
        total = np.zeros((size[1], size[0]), dtype=np.float32)
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        for lamp in self.light.lamps_m:
            for radius in (1.5, 3, 4.5, 6.5, 9, 13):
                ring = np.stack(
                    (
                        lamp[0] + radius * np.cos(angles),
                        lamp[1] + radius * np.sin(angles),
                        np.zeros(24),
                    ),
                    axis=1,
                )
                outline = small.outline(ring)
                if outline is None:
                    continue
                points = np.round(np.clip(outline, -2e4, 2e4)).astype(np.int32)
                layer = np.zeros_like(total)
                cv2.fillPoly(layer, [points], 0.17)
                total += layer
        soft = cv2.GaussianBlur(np.minimum(total, 1.6), (0, 0), size[0] / 90)
        return np.asarray(soft, dtype=np.float32)[:, :, None]
