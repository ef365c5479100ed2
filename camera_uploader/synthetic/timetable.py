"""When everybody enters a lane and how far they have come: any moment, in any order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import numpy as np

from camera_uploader.synthetic.world import ROAD_START_M, Lane

WAIT_S: Final = 3.0
BRAKE_S: Final = 3.0
OPENING_S: Final = 1.1
LONGEST_M: Final = 12.5
"""Of all vehicles: a boom stays up until one of this length is through."""


@lru_cache(maxsize=4096)
def drawn(seed: int, lane: int, number: int) -> tuple[float, float]:
    """Return two numbers in [0, 1) that belong to one place in one lane's timetable."""
    first, second = np.random.default_rng((seed, 13, lane, number & 0xFFFFFFFF)).random(2)
    return float(first), float(second)


def travelled(lane: Lane, since_s: float) -> tuple[float, bool]:
    """Return the metres from the lane's start `since_s` after entering, and whether it brakes."""
    if lane.stop_y_m is None:
        return lane.speed_mps * since_s, False
    start = lane.end_y_m if lane.direction < 0 else ROAD_START_M
    # The nose stops at the line; the body's middle some way before it, see `traffic`.
    way = abs(lane.stop_y_m - start)
    braking_m = lane.speed_mps * BRAKE_S / 2
    cruise_s = (way - braking_m) / lane.speed_mps
    if since_s < cruise_s:
        return lane.speed_mps * since_s, False
    after = since_s - cruise_s
    if after < BRAKE_S:
        share = after / BRAKE_S
        return way - braking_m * (1 - share) ** 2, True
    after -= BRAKE_S + WAIT_S
    if after < 0:
        return way, True
    if after < BRAKE_S:
        return way + braking_m * (after / BRAKE_S) ** 2, False
    return way + braking_m + (after - BRAKE_S) * lane.speed_mps, False


def entries(lane: Lane, index: int, seed: int, at_s: float) -> Iterator[tuple[int, float]]:
    """Yield number and moment of entry of those who entered recently enough to be there still."""
    stay_s = (lane.end_y_m - ROAD_START_M) / lane.speed_mps
    if lane.stop_y_m is not None:
        stay_s += WAIT_S + BRAKE_S
    first = math.floor((at_s - stay_s) / lane.headway_s) - 1
    last = math.ceil(at_s / lane.headway_s) + 1
    wobble = 0.32 if lane.stop_y_m is not None else 0.45
    for number in range(first, last + 1):
        entered_s = (number + wobble * drawn(seed, index, number)[0]) * lane.headway_s
        if 0 <= at_s - entered_s <= stay_s:
            yield number, entered_s


def boom_share(lane: Lane, index: int, seed: int, at_s: float) -> float:
    """Return how far the boom of a lane is raised, 0 closed to 1 upright."""
    if lane.stop_y_m is None:
        return 1.0
    start = lane.end_y_m if lane.direction < 0 else ROAD_START_M
    way = abs(lane.stop_y_m - start)
    arrives_s = (way - lane.speed_mps * BRAKE_S / 2) / lane.speed_mps + BRAKE_S
    raised = 0.0
    for _, entered_s in entries(lane, index, seed, at_s):
        since = at_s - entered_s - arrives_s
        opens, closes = WAIT_S - OPENING_S - 0.2, WAIT_S + BRAKE_S + LONGEST_M / lane.speed_mps
        rising = np.clip((since - opens) / OPENING_S, 0, 1)
        falling = np.clip((since - closes) / OPENING_S, 0, 1)
        raised = max(raised, float(rising - falling))
    return raised * raised * (3 - 2 * raised)
