"""Streets: along, across and oblique to the camera, and a boulevard."""

# How often a thing occurs in a drawn world is a number of its own, named by what it decides.
# ruff: noqa: PLR2004

from __future__ import annotations

from typing import Final

import numpy as np

from camera_uploader.synthetic.lens import Lens
from camera_uploader.synthetic.world import (
    FREE,
    LANE_M,
    ROAD_END_M,
    ROAD_START_M,
    House,
    Lane,
    World,
    pavement_lanes,
)

VEHICLES: Final = (("car", 0.62), ("truck", 0.13), ("bus", 0.11), ("motorcycle", 0.14))
EVEN_VEHICLES: Final = (("car", 0.34), ("truck", 0.2), ("bus", 0.18), ("motorcycle", 0.28))


def build_street(layout: str, rng: np.random.Generator, width_px: int, height_px: int) -> World:
    """Return a street of the given layout, the rest drawn from `rng`."""
    boulevard = layout == "boulevard"
    free = layout == FREE
    each = 2 if boulevard else int(rng.integers(1, 4 if free else 3))
    median = 1.6 if boulevard else 0.0
    half = median + each * LANE_M + 1.9
    pavement = float(rng.uniform(2.2, 5.6) if free else rng.uniform(3.2, 4.6))
    lanes: list[Lane] = []
    for direction in (1, -1):
        for index in range(each):
            x = direction * (median + (index + 0.5) * LANE_M)
            speed = float(rng.uniform(7.5, 10.5) + 1.5 * (each - 1 - index))
            headway = float(rng.uniform(3.4, 5.0)) * (1.0 if each == 1 else 1.35)
            users = EVEN_VEHICLES if free else VEHICLES
            lanes.append(Lane(x, direction, speed, headway, users))
        kerb = direction * (half - 0.85)
        lanes.append(
            Lane(
                kerb, direction, float(rng.uniform(4, 5.5)), 7.0, (("bicycle", 1.0),), end_y_m=58.0
            )
        )
        lanes += pavement_lanes(rng, direction * half, pavement)
    lens = _street_lens(layout, rng, half, pavement, (width_px, height_px))
    wall = half + pavement
    near_side = layout in ("oblique", "across") or (free and lens.eye_m[0] < 1 - wall)
    houses = _house_row(rng, wall + rng.uniform(0, 1.5), 1)
    if not near_side:
        houses += _house_row(rng, wall + rng.uniform(0, 1.5), -1)
    houses.append(House((-90.0, 90.0), (ROAD_END_M + 9, ROAD_END_M + 20), 13.0, "plaster"))
    spacing = float(rng.uniform(9, 15))
    trees, lamps = [], []
    for side in (-1, 1):
        start = float(rng.uniform(6, 14))
        planted = rng.random() < 0.75
        for index in range(8):
            y = start + index * spacing
            if y > ROAD_END_M:
                break
            if index % 2 == 0:
                lamps.append((side * (half + 0.5), y + spacing / 3))
            if planted and (layout != "across" or side > 0):
                trees.append((side * (half + 1.0), y, float(rng.uniform(0.8, 1.25))))
    if boulevard:
        trees += [(0.0, y, float(rng.uniform(0.7, 1.0))) for y in np.arange(24.0, 80.0, 11.0)]
    return World(
        kind="street",
        layout=layout,
        lens=lens,
        road_half_m=half,
        median_half_m=median,
        pavement_m=pavement,
        lanes=tuple(lanes),
        parked=(),
        houses=tuple(houses),
        trees=tuple(trees),
        lamps=tuple(lamps),
        barriers=(),
        booth=None,
    )


def _street_lens(
    layout: str,
    rng: np.random.Generator,
    half: float,
    pavement: float,
    size_px: tuple[int, int],
) -> Lens:
    if layout == "along":
        eye = (rng.uniform(-half * 0.5, half + 1), -9.0, rng.uniform(5.0, 8.0))
        target = (rng.uniform(-1.5, 1.5), rng.uniform(17, 27), 0.5)
        view = rng.uniform(42, 58)
    elif layout == "oblique":
        eye = (-(half + pavement * rng.uniform(0.6, 1.3)), -4.0, rng.uniform(4.2, 7.0))
        target = (rng.uniform(1.0, 3.0), rng.uniform(8, 14), 0.6)
        view = rng.uniform(55, 70)
    elif layout == "across":
        eye = (-(half + pavement + rng.uniform(4, 9)), 20.0, rng.uniform(3.4, 5.5))
        target = (half, rng.uniform(20, 28), 0.9)
        view = rng.uniform(54, 68)
    elif layout == "corner":
        side, eye_y = rng.choice((-1.0, 1.0)), rng.uniform(-10, 6)
        eye = (side * (half + pavement * rng.uniform(0.2, 0.9)), eye_y, rng.uniform(3.2, 9.0))
        ahead = eye_y + rng.uniform(10, 24)
        target = (rng.uniform(-0.6, 0.6) * half, ahead, rng.uniform(0.0, 1.5))
        view = rng.uniform(44, 75)
    elif layout == FREE:
        eye_x = rng.uniform(-(half + pavement + 6), half + pavement * 0.9)
        eye_y = rng.uniform(-15, 8)
        eye = (eye_x, eye_y, rng.uniform(2.6, 9.5))
        target = (rng.uniform(-half, half), eye_y + rng.uniform(9, 26), rng.uniform(0.0, 1.5))
        view = rng.uniform(38, 76)
    else:
        eye = (rng.uniform(-3.0, 3.0), -8.0, rng.uniform(6.0, 8.5))
        target = (rng.uniform(-2.5, 2.5), rng.uniform(18, 27), 0.5)
        view = rng.uniform(44, 60)
    return Lens.looking(np.array(eye), np.array(target), float(view), *size_px)


def _house_row(rng: np.random.Generator, wall_m: float, side: int) -> list[House]:
    """Houses wall to wall along one side of the road."""
    houses = []
    y = ROAD_START_M
    while y < ROAD_END_M + 4:
        length = float(rng.uniform(9, 20))
        if rng.random() < 0.12:
            y += 5.0
            continue
        style = str(rng.choice(("brick", "plaster", "office", "stone"), p=(0.3, 0.35, 0.15, 0.2)))
        depth = wall_m + 12.0
        x = (wall_m, depth) if side > 0 else (-depth, -wall_m)
        houses.append(House(x, (y, y + length), float(rng.uniform(8.5, 20)), style))
        y += length
    return houses
