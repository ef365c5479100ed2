"""The pinhole: where a point of the world falls in the picture.

World axes, in metres: x to the right, y along the road away from the camera, z up; the ground is
the plane z = 0. Pixels: x to the right, y down, the origin in the upper left corner.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

CORNERS = 3
"""The fewest that make a polygon."""

NEAR_M = 0.6
"""Nothing nearer to the eye than this is drawn: the projection divides by depth."""


@dataclass(frozen=True)
class Lens:
    """An ideal camera without distortion.

    Attributes:
        eye_m: (3,) where the camera hangs.
        axes: (3, 3) rows are the picture's right, the picture's down, and the viewing direction.
        focal_px: Pixels a metre covers at one metre of depth.
        width_px, height_px: Size of the picture.
    """

    eye_m: Floats
    axes: Floats
    focal_px: float
    width_px: int
    height_px: int

    @classmethod
    def looking(
        cls, eye_m: Floats, target_m: Floats, view_deg: float, width_px: int, height_px: int
    ) -> Lens:
        """Return a level camera at `eye_m` with `target_m` in the centre and `view_deg` across."""
        forward = (target_m - eye_m) / np.linalg.norm(target_m - eye_m)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        right /= np.linalg.norm(right)
        axes = np.stack((right, np.cross(forward, right), forward))
        focal_px = width_px / 2 / math.tan(math.radians(view_deg) / 2)
        return cls(eye_m, axes, focal_px, width_px, height_px)

    def scaled(self, factor: int) -> Lens:
        """Return the same view in a picture `factor` times as wide and high (for supersampling)."""
        return Lens(
            self.eye_m,
            self.axes,
            self.focal_px * factor,
            self.width_px * factor,
            self.height_px * factor,
        )

    def project(self, points_m: Floats) -> tuple[Floats, Floats]:
        """(N, 3) points to ((N, 2) pixels, (N,) depths in metres).

        Pixels of points nearer than `NEAR_M` mean nothing; the caller looks at the depth.
        """
        seen = (points_m - self.eye_m) @ self.axes.T
        depths = seen[:, 2]
        scale = self.focal_px / np.maximum(depths, 1e-6)
        xy_px = np.empty((len(seen), 2))
        xy_px[:, 0] = seen[:, 0] * scale + self.width_px / 2
        xy_px[:, 1] = seen[:, 1] * scale + self.height_px / 2
        return xy_px, depths

    def outline(self, corners_m: Floats) -> Floats | None:
        """(M, 2) pixels of a flat polygon, cut off in front of the eye; None if all is behind."""
        depths = (corners_m - self.eye_m) @ self.axes[2]
        if depths.min() >= NEAR_M:
            return self.project(corners_m)[0]
        kept: list[Floats] = []
        for here, there, depth, next_depth in zip(
            corners_m,
            np.roll(corners_m, -1, axis=0),
            depths,
            np.roll(depths, -1),
            strict=True,
        ):
            if depth >= NEAR_M:
                kept.append(here)
            if (depth >= NEAR_M) != (next_depth >= NEAR_M):
                share = (NEAR_M - depth) / (next_depth - depth)
                kept.append(here + share * (there - here))
        if len(kept) < CORNERS:
            return None
        return self.project(np.array(kept))[0]

    def horizon_px(self) -> float:
        """Return the picture row of the horizon."""
        forward = self.axes[2]
        drop = forward[2] / math.hypot(forward[0], forward[1])
        return float(self.height_px / 2 + self.focal_px * drop)
