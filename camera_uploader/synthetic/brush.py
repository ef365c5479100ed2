"""How a mesh comes onto the picture: faces that look at the camera, then round strokes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from camera_uploader.synthetic.lens import NEAR_M, Floats, Image, Lens
from camera_uploader.synthetic.mesh import Mesh, Pose
from camera_uploader.synthetic.weather import Light

SUBPIXEL_BITS: Final = 4
SUBPIXELS: Final = 1 << SUBPIXEL_BITS
"""OpenCV's fixed point: coordinates are whole numbers of 1 / SUBPIXELS of a pixel."""
ROUND: Final = np.array([(0.0, 0.0, 0.35)])
"""Round things are lit as if they looked up a little, all sides taken together."""
DARK: Final = np.zeros(1)
SHEEN_FROM_PX: Final = 5


@dataclass(frozen=True)
class Placed:
    """A mesh in the world, and its points in the picture.

    Attributes:
        points_m: (N, 3) in the world. xy_px: (N, 2). depths_m: (N,).
    """

    mesh: Mesh
    pose: Pose
    points_m: Floats
    xy_px: Floats
    depths_m: Floats

    @classmethod
    def seen(cls, mesh: Mesh, pose: Pose, lens: Lens) -> Placed | None:
        """Return the mesh as the camera sees it; None where a part is too near the eye to draw."""
        points_m = pose.to_world(mesh.points)
        xy_px, depths_m = lens.project(points_m)
        if depths_m.min() < NEAR_M:
            return None
        return cls(mesh, pose, points_m, xy_px, depths_m)

    def outline_px(self, focal_px: float) -> Floats:
        """Return (M, 2) pixels around everything that counts as the thing itself.

        Strokes are as thick as they look. What a figure of strokes carries as faces (an umbrella)
        is left out, for a person's box ends at the person.
        """
        count = len(self.mesh.stroke_m)
        if not count:
            return self.xy_px
        diameters = np.repeat(self.mesh.stroke_m, 2)
        radii = (diameters / 2 * focal_px / self.depths_m[-2 * count :])[:, None]
        ends = self.xy_px[-2 * count :]
        thick = np.concatenate((ends - radii, ends + radii))
        if self.mesh.spans and self.mesh.strokes_only:
            return thick
        return np.concatenate((self.xy_px, thick))


def paint(picture: Image, lens: Lens, light: Light, placed: Placed) -> None:
    """Paint a mesh into the picture, with as much haze as its distance asks for."""
    mesh, pose = placed.mesh, placed.pose
    depth_m = float(placed.depths_m.mean())
    place_m = np.array([*pose.place_m, 0.0])
    air = Air(light.clearness(depth_m), light.haze_bgr)
    fixed = np.round(placed.xy_px * SUBPIXELS).astype(np.int32)
    if mesh.spans:
        shades, facing = _shades(lens, light, placed, air)
        for index in _order(mesh, pose, lens):
            if facing[index]:
                first, last = mesh.spans[index]
                corners = [fixed[first:last]]
                cv2.fillPoly(picture, corners, shades[index], cv2.LINE_AA, SUBPIXEL_BITS)
    if not len(mesh.stroke_m):
        return
    ends: list[list[int]] = fixed[-2 * len(mesh.stroke_m) :].tolist()
    colours = air.over(light.lit(mesh.stroke_bgr, ROUND, DARK, place_m)).tolist()
    widths = np.maximum(np.round(mesh.stroke_m * lens.focal_px / depth_m), 1).astype(int)
    for index, (bgr, width) in enumerate(zip(colours, widths.tolist(), strict=True)):
        start, end = ends[2 * index], ends[2 * index + 1]
        cv2.line(picture, start, end, bgr, width, cv2.LINE_AA, SUBPIXEL_BITS)
        if width >= SHEEN_FROM_PX:
            _paint_sheen(picture, start, end, bgr, width)


@dataclass(frozen=True)
class Air:
    """What lies between a thing and the camera: `clear` of its colour arrives, the rest is haze."""

    clear: float
    haze_bgr: Floats

    def over(self, bgr: Floats) -> Floats:
        """Return colours (N, 3) as they look from the camera."""
        return bgr * self.clear + self.haze_bgr * (1.0 - self.clear)


def _shades(
    lens: Lens, light: Light, placed: Placed, air: Air
) -> tuple[list[list[float]], list[bool]]:
    """Return the colour of each face, and whether it looks at the camera."""
    mesh, pose = placed.mesh, placed.pose
    normals = pose.turned(mesh.normals)
    towards = lens.eye_m - pose.to_world(mesh.centres)
    along = (normals * towards).sum(axis=1)
    place_m = np.array([*pose.place_m, 0.0])
    # Polished paint mirrors the sky where it is seen at a low angle (Schlick's approximation).
    distance = np.sqrt((towards * towards).sum(axis=1))
    cosine = np.clip(along / np.maximum(distance, 1e-6), 0, 1)
    sheen = (0.22 * (1 - cosine) ** 3 * np.clip(normals[:, 2] + 0.35, 0, 1))[:, None]
    colours = air.over(light.lit(mesh.bgr, normals, mesh.glow, place_m))
    colours += (light.haze_bgr - colours) * sheen
    return np.clip(colours, 0, 255).tolist(), (along > 0).tolist()


def _order(mesh: Mesh, pose: Pose, lens: Lens) -> Sequence[int]:
    if mesh.swap is None:
        return range(len(mesh.spans))
    ahead_m = float((lens.eye_m[:2] - pose.place_m) @ np.array(pose.heading))
    if ahead_m > mesh.swap.plane_m:
        return mesh.swap.order(len(mesh.spans))
    return range(len(mesh.spans))


def _paint_sheen(
    picture: Image, start: list[int], end: list[int], bgr: Sequence[float], width_px: int
) -> None:
    """Draw a lighter line along the upper left of a bar, which makes it look round."""
    left, up = width_px * SUBPIXELS // -5, width_px * SUBPIXELS // -8
    ends = [(x + left, y + up) for x, y in (start, end)]
    bright = [min(255.0, channel * 1.18 + 6) for channel in bgr]
    thin = max(1, width_px // 3)
    cv2.line(picture, ends[0], ends[1], bright, thin, cv2.LINE_AA, SUBPIXEL_BITS)
