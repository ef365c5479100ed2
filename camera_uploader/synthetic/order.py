"""Who stands in front of whom: the painter's order of things on the ground.

Everything stands on a rectangle along the axes of the map. Where a straight line along an axis
parts two rectangles, the one on the camera's side can hide the other, and never the other way
round. Sorting by distance alone fails for long vehicles beside short ones.
"""

from __future__ import annotations

import numpy as np

from camera_uploader.synthetic.lens import Floats

TOUCH_M = 0.05


def back_to_front(rectangles_m: Floats, eye_m: Floats) -> list[int]:
    """Return indices of (N, 4) rectangles (x_min, y_min, x_max, y_max), the farthest first.

    Things that cannot hide each other keep the order of their distance, then of the input.
    """
    count = len(rectangles_m)
    behind = np.zeros((count, count), dtype=bool)  # behind[i, j]: i is painted before j
    before = np.zeros((count, count), dtype=bool)
    for axis in (0, 1):
        low, high, eye = rectangles_m[:, axis], rectangles_m[:, axis + 2], eye_m[axis]
        apart = high[:, None] <= low[None, :] + TOUCH_M  # apart[i, j]: i is on the low side of j
        before |= apart & (eye >= low[None, :])  # the camera is on j's side: i cannot hide j
        behind |= (apart & (eye <= high[:, None])).T  # and the other way round
    must = (before | behind) & ~(before | behind).T
    must &= ~np.eye(count, dtype=bool)
    middles = (rectangles_m[:, :2] + rectangles_m[:, 2:]) / 2
    distance = np.hypot(middles[:, 0] - eye_m[0], middles[:, 1] - eye_m[1])
    waiting = must.sum(axis=0)
    left = list(np.argsort(-distance, kind="stable"))
    order: list[int] = []
    while left:
        # A circle of three can exist for rectangles; then the farthest goes first.
        chosen = next((index for index in left if waiting[index] <= 0), left[0])
        left.remove(chosen)
        order.append(int(chosen))
        waiting = waiting - must[chosen]
    return order
