"""Who is where at a moment."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from camera_uploader.synthetic.bodies import Body
from camera_uploader.synthetic.cars import car
from camera_uploader.synthetic.cycles import bicycle, cyclist, motorcycle, motorcyclist
from camera_uploader.synthetic.lorries import bus, truck
from camera_uploader.synthetic.mesh import Bgr, Mesh, MeshBuilder, Pose
from camera_uploader.synthetic.people import CLOTHES, Looks, walker
from camera_uploader.synthetic.timetable import boom_share, drawn, entries, travelled
from camera_uploader.synthetic.world import ROAD_START_M, Lane, World

STEP_M: Final = 0.72
FINE_PX_PER_M: Final = 28.0
"""Below this size fingers, shoes and spokes are left out."""
BOOM: Final = "boom"
HELMET: Final[Bgr] = (225.0, 225.0, 225.0)

Key = tuple[int, int, str]
"""Lane, number in its timetable, and the part: "" or "rider"."""


@dataclass(frozen=True)
class Actor:
    """One object at one moment. A rider and the cycle are two actors in one place.

    Attributes:
        key: Names the actor for its whole way through the picture.
        body: Class, mesh and what it carries, posed as at this moment.
        pose: Where it is.
        braking: Whether its brake lights shine.
    """

    key: Key
    body: Body
    pose: Pose
    braking: bool = False


class Traffic:
    """The traffic of one world; what one vehicle or person looks like is drawn from the seed."""

    def __init__(self, world: World, seed: int, *, rain: bool) -> None:
        self._world, self._seed, self._rain = world, seed, rain

    def at(self, at_s: float) -> Iterator[Actor]:
        """Yield everyone in the world at `at_s` seconds, and the booms, in no particular order."""
        for index, lane in enumerate(self._world.lanes):
            for number, entered_s in entries(lane, index, self._seed, at_s):
                way_m, braking = travelled(lane, at_s - entered_s)
                key = (index, number & 0xFFFFFFFF, "")
                match _pick(lane.users, drawn(self._seed, index, number)[1]):
                    case "person":
                        yield self._walker(lane, key, way_m)
                    case "bicycle":
                        yield from self._cyclist(lane, key, way_m)
                    case kind:
                        yield from self._driver(lane, key, kind, way_m, braking=braking)
        for number, (kind, x_m, y_m, direction) in enumerate(self._world.parked):
            body = _vehicle(self._seed, -1, number, kind)
            yield Actor((-1, number, ""), body, Pose((x_m, y_m), (0.0, float(direction))))
        yield from self._booms(at_s)

    def _walker(self, lane: Lane, key: Key, way_m: float) -> Actor:
        pose = _pose(lane, way_m)
        looks = _looks(self._seed, key[0], key[1], rain=self._rain)
        eye_m, (x_m, y_m), (east, north) = self._world.lens.eye_m, pose.place_m, pose.heading
        # Left of a heading (east, north) is (-north, east).
        left = (eye_m[0] - x_m) * -north + (eye_m[1] - y_m) * east > 0
        fine = self._is_near(pose)
        figure = walker(looks, way_m / STEP_M, seen_from_left=bool(left), fine=fine)
        return Actor(key, Body("person", 0.7, 0.5, figure.build(strokes_only=True)), pose)

    def _cyclist(self, lane: Lane, key: Key, way_m: float) -> Iterator[Actor]:
        pose = _pose(lane, way_m)
        looks = _looks(self._seed, key[0], key[1], rain=False)
        paint, turns = CLOTHES[key[1] % len(CLOTHES)], way_m / 5.2
        machine = bicycle(paint, turns, fine=self._is_near(pose))
        yield Actor(key, Body("bicycle", 1.75, 0.5, machine.build()), pose)
        rider = cyclist(looks, turns, HELMET if key[1] % 3 else None)
        yield Actor((*key[:2], "rider"), Body("person", 0.8, 0.5, rider.build()), pose)

    def _driver(
        self, lane: Lane, key: Key, kind: str, way_m: float, *, braking: bool
    ) -> Iterator[Actor]:
        body = _vehicle(self._seed, key[0], key[1], kind)
        # At a gate it is the nose that stops at the line.
        back_m = body.length_m / 2 if lane.stop_y_m is not None else 0.0
        pose = _pose(lane, way_m, back_m)
        yield Actor(key, body, pose, braking)
        if kind == "motorcycle":
            looks = _looks(self._seed, key[0], key[1], rain=False)
            person = Body("person", 0.8, 0.55, _motorcyclist_mesh(looks))
            yield Actor((*key[:2], "rider"), person, pose)

    def _booms(self, at_s: float) -> Iterator[Actor]:
        for number, barrier in enumerate(self._world.barriers):
            lane = self._world.lanes[barrier.lane]
            angle = boom_share(lane, barrier.lane, self._seed, at_s) * math.radians(82)
            heading = (math.copysign(1.0, barrier.reach_m), 0.0)
            body = Body(BOOM, 0.3, 0.2, _boom_mesh(abs(barrier.reach_m), round(angle, 3)))
            yield Actor((-2, number, ""), body, Pose(barrier.hinge_m, heading))

    def _is_near(self, pose: Pose) -> bool:
        away_m = math.dist(self._world.lens.eye_m[:2], pose.place_m)
        return self._world.lens.focal_px / max(away_m, 1.0) > FINE_PX_PER_M


def _pose(lane: Lane, way_m: float, back_m: float = 0.0) -> Pose:
    """Return where somebody is `way_m` after the start of a lane, less `back_m`."""
    start_m = lane.end_y_m if lane.direction < 0 else ROAD_START_M
    y_m = start_m + lane.direction * way_m - lane.direction * back_m
    return Pose((lane.x_m, y_m), (0.0, float(lane.direction)))


def _pick(users: tuple[tuple[str, float], ...], draw: float) -> str:
    for kind, share in users:
        if draw < share:
            return kind
        draw -= share
    return users[-1][0]


@lru_cache(maxsize=512)
def _vehicle(seed: int, lane: int, number: int, kind: str) -> Body:
    rng = np.random.default_rng((seed, 11, lane + 1, number))
    return {"car": car, "bus": bus, "truck": truck, "motorcycle": motorcycle}[kind](rng)


@lru_cache(maxsize=512)
def _looks(seed: int, lane: int, number: int, *, rain: bool) -> Looks:
    return Looks.drawn(np.random.default_rng((seed, 12, lane + 1, number)), rain=rain)


@lru_cache(maxsize=256)
def _motorcyclist_mesh(looks: Looks) -> Mesh:
    return motorcyclist(looks).build()


@lru_cache(maxsize=128)
def _boom_mesh(reach_m: float, angle: float) -> Mesh:
    """Return a red and white boom, raised by `angle` (radians) from level."""
    builder = MeshBuilder()
    along, up = math.cos(angle), math.sin(angle)
    pieces = 9
    for index in range(pieces):
        a, b = reach_m * index / pieces, reach_m * (index + 1) / pieces
        bgr = (40, 40, 205) if index % 2 else (235, 236, 236)
        start, end = (a * along, 0.0, 1.05 + a * up), (b * along, 0.0, 1.05 + b * up)
        builder.stroke(start, end, 0.11, bgr)
    return builder.build()
