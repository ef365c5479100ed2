"""Places: where the road, its lanes, the houses, the trees, the gate and the camera are.

Roads run along y. Traffic keeps to the right: lanes with x > 0 lead away from the camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from camera_uploader.synthetic.lens import Lens

SceneKind = Literal["street", "gate"]

LAYOUTS: Final[dict[SceneKind, tuple[str, ...]]] = {
    "street": ("along", "oblique", "across", "corner", "boulevard"),
    "gate": ("approach", "twin", "kerb", "yard"),
}
"""Every layout of a kind; the last of each is kept out of training to test on."""

HELD_OUT_LAYOUTS: Final = frozenset({"boulevard", "yard"})

FREE: Final = "free"
"""A layout of either kind that is drawn only when asked for, to train on: the camera hangs
anywhere, and what is rare elsewhere is common."""

LANE_M: Final = 3.3
ROAD_END_M: Final = 88.0
ROAD_START_M: Final = -36.0


@dataclass(frozen=True)
class Lane:
    """A strip that one kind of traffic moves along, one behind the other, at one speed.

    Attributes:
        x_m: Its middle.
        direction: +1 away from the camera, -1 towards it.
        speed_mps: Everybody's speed, so that nobody runs into anybody.
        headway_s: Mean time from one to the next.
        users: What moves on it: body names and their shares.
        end_y_m: Where it begins or ends far away; walkers come out of a door before the road's end.
        stop_y_m: Where everybody stops for a while before driving on; None on open roads.
    """

    x_m: float
    direction: int
    speed_mps: float
    headway_s: float
    users: tuple[tuple[str, float], ...]
    stop_y_m: float | None = None
    end_y_m: float = ROAD_END_M


@dataclass(frozen=True)
class House:
    """A box of a building; `style` picks its facade."""

    x_m: tuple[float, float]
    y_m: tuple[float, float]
    height_m: float
    style: str


@dataclass(frozen=True)
class Barrier:
    """A boom across one lane: hinge, reach along x (signed), and the lane it closes."""

    hinge_m: tuple[float, float]
    reach_m: float
    lane: int


@dataclass(frozen=True)
class World:
    """A place and the camera that watches it."""

    kind: SceneKind
    layout: str
    lens: Lens
    road_half_m: float
    median_half_m: float
    pavement_m: float
    lanes: tuple[Lane, ...]
    parked: tuple[tuple[str, float, float, int], ...]
    houses: tuple[House, ...]
    trees: tuple[tuple[float, float, float], ...]
    lamps: tuple[tuple[float, float], ...]
    barriers: tuple[Barrier, ...]
    booth: tuple[float, float] | None


def drawn_layout(kind: SceneKind, rng: np.random.Generator) -> str:
    """Return a random layout, but none that is held out."""
    return str(rng.choice([name for name in LAYOUTS[kind] if name not in HELD_OUT_LAYOUTS]))


def pavement_lanes(rng: np.random.Generator, kerb_m: float, pavement_m: float) -> list[Lane]:
    """Two streams of walkers on one pavement, against each other."""
    outwards = np.sign(kerb_m)
    lanes = []
    for share, direction in ((0.42, 1), (0.8, -1)):
        x = float(kerb_m + outwards * pavement_m * share)
        speed, headway = float(rng.uniform(1.1, 1.6)), float(rng.uniform(9, 20))
        lanes.append(Lane(x, direction, speed, headway, (("person", 1.0),), end_y_m=50.0))
    return lanes
