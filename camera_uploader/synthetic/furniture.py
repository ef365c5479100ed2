"""What stands in the street: trees, lamps, fences, the posts of the booms and the guard's booth."""

from __future__ import annotations

import math

import cv2
import numpy as np

from camera_uploader.synthetic.easel import Easel
from camera_uploader.synthetic.mesh import Bgr
from camera_uploader.synthetic.world import World


def paint_furniture(easel: Easel, world: World, rng: np.random.Generator) -> None:
    """Paint trees, lamps, fences and the booth, the far ones first."""
    eye = world.lens.eye_m
    things: list[tuple[float, str, tuple[float, ...]]] = []
    things += [(math.dist(tree[:2], eye[:2]), "tree", tree) for tree in world.trees]
    things += [(math.dist(lamp, eye[:2]), "lamp", lamp) for lamp in world.lamps]
    if world.booth:
        things.append((math.dist(world.booth, eye[:2]), "booth", world.booth))
    if world.kind == "gate":
        half = world.road_half_m + world.pavement_m + 0.6
        things += [
            (math.dist((side * (half + 6), 0), eye[:2]), "fence", (side * half, side))
            for side in (-1, 1)
        ]
        things += [(math.dist(b.hinge_m, eye[:2]), "post", b.hinge_m) for b in world.barriers]
    for _, name, where in sorted(things, reverse=True):
        easel.begin_screen()
        x, y = where[0], where[1]
        half_m = 0.3
        if name == "tree":
            _tree(easel, (x, y), where[2], rng)
        elif name == "lamp":
            _lamp(easel, (x, y), lit=len(easel.light.lamps_m) > 0)
        elif name == "booth":
            _booth(easel, x, y)
            half_m = 1.0
        elif name == "post":
            easel.box((x - 0.22, x + 0.22), (y - 0.22, y + 0.22), (0, 1.15), (60, 170, 235))
            easel.box((x - 0.24, x + 0.24), (y - 0.24, y + 0.24), (1.15, 1.25), (70, 70, 72))
        else:
            _fence(easel, x, int(y))
            y = 0.0
        easel.end_screen((x, y), half_m)


def _tree(
    easel: Easel, place_m: tuple[float, float], size: float, rng: np.random.Generator
) -> None:
    """Paint a trunk and a crown of leafy blobs, dark ones first, light ones towards the sun."""
    x, y = place_m
    easel.box((x - 0.12 * size, x + 0.12 * size), (y - 0.1, y + 0.1), (0, 2.6 * size), (60, 78, 98))
    sun = easel.light.sun_direction
    autumn = np.array((10, 20, 46)) * rng.uniform(0, 1)
    green = np.array((46, 104, 78)) + autumn
    blobs = rng.normal(0, 1, (420, 3))
    # Leaves sit near the outside of the crown; without the pull a few would float far away.
    reach = np.linalg.norm(blobs, axis=1, keepdims=True)
    blobs *= (1.0 - np.exp(-reach)) / reach * (1.75, 1.75, 1.4) * size
    blobs = blobs[np.argsort(blobs @ sun)]
    middle = np.array((x, y, 3.9 * size))
    for index, blob in enumerate(blobs):
        tone = 0.55 + 0.7 * index / len(blobs) + rng.normal(0, 0.05)
        centre = middle + blob
        radius = rng.uniform(0.10, 0.26) * size
        angles = np.linspace(0, 2 * np.pi, 9, endpoint=False) + rng.uniform(0, 1)
        reach = radius * rng.uniform(0.75, 1.15, 9)
        ring = (
            centre
            + np.outer(reach * np.cos(angles), easel.lens.axes[0])
            + np.outer(reach * np.sin(angles), easel.lens.axes[1])
        )
        easel.polygon(ring, tuple((green * tone).tolist()), normal=(0, 0, 1), deep=True)


def _lamp(easel: Easel, place_m: tuple[float, float], *, lit: bool) -> None:
    """Paint a post with an arm over the road."""
    x, y = place_m
    grey: Bgr = (92, 90, 88)
    easel.box((x - 0.07, x + 0.07), (y - 0.07, y + 0.07), (0, 6.0), grey)
    tip = x - math.copysign(1.6, x)
    easel.box((min(x, tip), max(x, tip)), (y - 0.05, y + 0.05), (5.92, 6.02), grey)
    head = (min(tip, tip + math.copysign(0.7, x)), max(tip, tip + math.copysign(0.7, x)))
    easel.box(head, (y - 0.12, y + 0.12), (5.84, 5.98), (120, 118, 116))
    if lit:
        corners = np.array(
            [
                (head[0], y - 0.13, 5.83),
                (head[1], y - 0.13, 5.83),
                (head[1], y - 0.13, 5.93),
                (head[0], y - 0.13, 5.93),
            ]
        )
        outline = easel.lens.outline(corners)
        if outline is not None:
            points = [np.round(np.clip(outline, -8e4, 8e4) * 16).astype(np.int32)]
            cv2.fillPoly(easel.glow, points, (200, 235, 255), cv2.LINE_AA, 4)


def _booth(easel: Easel, x: float, y: float) -> None:
    """Paint the guard's booth: a white box with windows on all sides and a flat roof."""
    half_x, half_y = 0.85, 0.9
    easel.box((x - half_x, x + half_x), (y - half_y, y + half_y), (0, 2.5), (222, 224, 222))
    eye = easel.lens.eye_m
    front, side = -1 if eye[1] < y else 1, -1 if eye[0] < x else 1
    for low, high, start, end, bgr in (
        (0.0, 0.45, -1.0, 1.0, (150, 96, 40)),
        (1.02, 2.12, -0.88, 0.88, (196, 198, 196)),
        (1.08, 2.06, -0.82, -0.04, (110, 94, 78)),
        (1.08, 2.06, 0.04, 0.82, (110, 94, 78)),
    ):
        at = y + front * (half_y + 0.01)
        corners = [
            (x + half_x * u, at, z)
            for u, z in ((start, low), (end, low), (end, high), (start, high))
        ]
        easel.polygon(np.array(corners), bgr, normal=(0, front, 0))
        at = x + side * (half_x + 0.01)
        corners = [
            (at, y + half_y * u, z)
            for u, z in ((start, low), (end, low), (end, high), (start, high))
        ]
        if not -half_x < eye[0] - x < half_x:
            easel.polygon(np.array(corners), bgr, normal=(side, 0, 0))
    easel.box((x - 1.05, x + 1.05), (y - 1.1, y + 1.1), (2.5, 2.64), (96, 94, 92))


def _fence(easel: Easel, x: float, side: int) -> None:
    """Paint a mesh fence from the pavement outwards."""
    grey: Bgr = (104, 112, 104)
    for post in np.arange(0, 26, 2.5):
        at = x + side * post
        easel.box((at - 0.04, at + 0.04), (-0.04, 0.04), (0, 2.1), grey)
    for bar in np.arange(0, 26, 0.16):
        at = x + side * bar
        easel.box((at - 0.008, at + 0.008), (-0.01, 0.01), (0.1, 2.0), grey)
    low, high = min(x, x + side * 26), max(x, x + side * 26)
    for z in (0.15, 1.05, 1.95):
        easel.box((low, high), (-0.02, 0.02), (z, z + 0.05), grey)
