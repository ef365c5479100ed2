"""Gates: one lane or two, seen from outside, from the island or from inside the yard."""

# How often a thing occurs in a drawn world is a number of its own, named by what it decides.
# ruff: noqa: PLR2004

from __future__ import annotations

from typing import Final

import numpy as np

from camera_uploader.synthetic.lens import Lens
from camera_uploader.synthetic.world import (
    FREE,
    LANE_M,
    Barrier,
    House,
    Lane,
    World,
    pavement_lanes,
)

VEHICLES: Final = (("car", 0.58), ("truck", 0.24), ("bus", 0.08), ("motorcycle", 0.10))
EVEN_VEHICLES: Final = (("car", 0.34), ("truck", 0.2), ("bus", 0.18), ("motorcycle", 0.28))


def build_gate(layout: str, rng: np.random.Generator, width_px: int, height_px: int) -> World:
    """Return a gate of the given layout, the rest drawn from `rng`."""
    twin = layout in {"twin", "yard"} or bool(rng.random() < 0.3)
    island = 1.3 if twin else 0.0
    half = island + LANE_M + 0.5 if twin else LANE_M / 2 + 0.7
    lane_x = island + LANE_M / 2 if twin else 0.0
    users = EVEN_VEHICLES if layout == FREE else VEHICLES
    lanes = [Lane(-lane_x, -1, 7.0, float(rng.uniform(12.5, 15)), users, stop_y_m=1.6)]
    barriers = [Barrier((-half - 0.35, 0.0), half - island + 0.2, 0)]
    if twin:
        lanes.append(Lane(lane_x, 1, 6.5, float(rng.uniform(12.5, 16)), users, stop_y_m=-1.6))
        barriers.append(Barrier((half + 0.35, 0.0), -(half - island + 0.2), 1))
    pavement = 2.6
    for side in (-1, 1):
        lanes += pavement_lanes(rng, side * (half + 0.4), pavement)
    booth = (0.0, 4.6) if twin else (half + 1.2, 1.8)
    parked = []
    for index in range(int(rng.integers(0, 5))):
        kind = str(rng.choice(("car", "car", "truck", "bus")))
        side = 1 if rng.random() < 0.7 else -1
        parked.append(
            (kind, side * (half + pavement + 4.2), 13.0 + 13.5 * index, int(rng.choice((-1, 1))))
        )
    if layout == "yard":
        eye = (half + pavement + rng.uniform(2.5, 5.0), -7.5, rng.uniform(3.6, 5.4))
        target, view = (rng.uniform(-2.0, 0.0), rng.uniform(2.5, 5.0), 0.6), rng.uniform(50, 62)
    elif layout == "twin":
        eye = (rng.uniform(-1.2, 1.2), -10.0, rng.uniform(3.6, 5.0))
        target, view = (rng.uniform(-0.8, 0.6), rng.uniform(5, 8), 0.5), rng.uniform(46, 58)
    elif layout == "kerb":
        eye = (rng.uniform(-half - 2, half + 2), rng.uniform(-13, -7), rng.uniform(2.6, 6.5))
        target = (rng.uniform(-2.0, 2.0), rng.uniform(2, 10), rng.uniform(0.0, 1.2))
        view = rng.uniform(40, 66)
    elif layout == FREE:
        # Never on the yard's side: that view is kept for testing.
        eye = (rng.uniform(-half - 8, half + 1), rng.uniform(-14, -3), rng.uniform(2.2, 6.5))
        target = (rng.uniform(-2.0, 2.0), rng.uniform(0.5, 10), rng.uniform(0.0, 1.2))
        view = rng.uniform(38, 70)
    else:
        eye = (rng.uniform(-2.5, 3.0), -8.5, rng.uniform(2.8, 4.2))
        target, view = (rng.uniform(-0.6, 0.6), rng.uniform(4, 7), 0.6), rng.uniform(42, 55)
    houses = [
        House((-60.0, 60.0), (74.0, 92.0), float(rng.uniform(9, 13)), "office"),
        House((half + 14.0, half + 34.0), (6.0, 58.0), float(rng.uniform(7, 10)), "shed"),
        House((-half - 34.0, -half - 14.0), (10.0, 66.0), float(rng.uniform(7, 11)), "shed"),
    ]
    trees = [
        (float(side * (half + rng.uniform(8.5, 12))), float(y), float(rng.uniform(0.7, 1.2)))
        for side in (-1, 1)
        for y in np.arange(5.0, 70.0, 12.0)
        if rng.random() < 0.5
    ]
    lamps = [(side * (half + 3.4), y) for side in (-1, 1) for y in (1.5, 26.0, 50.0)]
    return World(
        kind="gate",
        layout=layout,
        lens=Lens.looking(np.array(eye), np.array(target), float(view), width_px, height_px),
        road_half_m=half,
        median_half_m=0.0,
        pavement_m=pavement,
        lanes=tuple(lanes),
        parked=tuple(parked),
        houses=tuple(houses),
        trees=tuple(trees),
        lamps=tuple(lamps),
        barriers=tuple(barriers),
        booth=booth,
    )
