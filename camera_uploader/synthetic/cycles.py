"""Motorcycles and bicycles; who rides them is a person of `people`."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from camera_uploader.synthetic.bodies import Body, Lamp, Plate
from camera_uploader.synthetic.coachwork import PAINTS, RED, TRIM, TYRE, WARM_WHITE
from camera_uploader.synthetic.mesh import Bgr, MeshBuilder, Point
from camera_uploader.synthetic.people import Looks, rider
from camera_uploader.synthetic.plates import plate_text

METAL: Bgr = (150, 150, 150)


def motorcycle(rng: np.random.Generator) -> Body:
    """Return a road motorcycle with a tank, a seat, an exhaust and a rear plate."""
    paint = PAINTS[int(rng.integers(4, len(PAINTS)))]
    builder = MeshBuilder()
    for x in (-0.68, 0.72):
        _disc(builder, x, 0.31, 0.07, bgr=TYRE, corners=16)
        _disc(builder, x, 0.19, 0.08, bgr=METAL, corners=10)
    builder.box((-0.35, 0.42), (-0.15, 0.15), (0.32, 0.66), (58, 56, 56))
    builder.box((-0.05, 0.48), (-0.17, 0.17), (0.68, 0.98), paint)
    builder.box((-0.78, 0.0), (-0.14, 0.14), (0.72, 0.82), (30, 30, 32))
    builder.box((-0.95, -0.55), (-0.1, 0.1), (0.74, 0.92), paint)
    builder.box((0.55, 0.72), (-0.17, 0.17), (0.82, 1.12), paint)
    builder.face(_across(0.73, 0.13, (0.84, 1.02)), WARM_WHITE, glow=0.8)
    builder.face(_across(-0.96, 0.1, (0.78, 0.88)), RED, glow=0.5)
    builder.stroke((0.72, 0.09, 0.31), (0.52, 0.09, 0.98), 0.05, METAL)
    builder.stroke((0.72, -0.09, 0.31), (0.52, -0.09, 0.98), 0.05, METAL)
    builder.stroke((0.45, -0.34, 1.06), (0.45, 0.34, 1.06), 0.035, TRIM)
    builder.stroke((0.2, -0.17, 0.34), (-0.8, -0.2, 0.42), 0.1, METAL)
    text, x = plate_text(rng), -0.99
    corners: tuple[Point, Point, Point, Point] = (
        (x, 0.13, 0.72), (x, -0.13, 0.72), (x, -0.13, 0.62), (x, 0.13, 0.62),
    )  # fmt: skip
    lamps = (
        Lamp((0.76, 0.0, 0.93), ahead=True, bgr=(190, 225, 255)),
        Lamp((-0.98, 0.0, 0.83), ahead=False, bgr=(30, 30, 190)),
    )
    plates = (Plate(text, yellow=False, corners=corners),)
    return Body("motorcycle", 2.1, 0.75, builder.build(), plates, lamps)


def motorcyclist(looks: Looks) -> MeshBuilder:
    """Return the rider of a `motorcycle`, feet on the rests."""
    seat, grip, rests = (-0.25, 0.0, 0.82), (0.42, 0.0, 1.07), (-0.05, 0.0, 0.36)
    return rider(looks, seat, grip, (rests, 0.03, 0.25), helmet=looks.hair)


def bicycle(paint: Bgr, turns: float, *, fine: bool = True) -> MeshBuilder:
    """Return a bicycle whose cranks have made `turns` turns; without `fine` it has no spokes."""
    builder = MeshBuilder()
    for x in (-0.52, 0.53):
        ring = [
            (x + 0.34 * math.cos(a), 0.0, 0.35 + 0.34 * math.sin(a))
            for a in np.linspace(0, 2 * math.pi, 15 if fine else 9)
        ]
        for start, end in pairwise(ring):
            builder.stroke(start, end, 0.05, TYRE)
        for spoke in range(4 if fine else 0):
            angle = math.pi * (spoke / 4) - 6 * turns
            dx, dz = 0.32 * math.cos(angle), 0.32 * math.sin(angle)
            builder.stroke((x - dx, 0, 0.35 - dz), (x + dx, 0, 0.35 + dz), 0.012, METAL)
    bottom, seat, head = (-0.08, 0.0, 0.3), (-0.2, 0.0, 0.86), (0.38, 0.0, 0.82)
    for start, end in (
        (bottom, seat), (seat, head), (bottom, head), ((-0.52, 0.0, 0.35), bottom),
        ((-0.52, 0.0, 0.35), (-0.18, 0.0, 0.78)), ((0.53, 0.0, 0.35), (0.34, 0.0, 1.0)),
    ):  # fmt: skip
        builder.stroke(start, end, 0.045, paint)
    builder.stroke((0.32, -0.27, 1.02), (0.32, 0.27, 1.02), 0.035, TRIM)
    builder.stroke((-0.32, 0, 0.92), (-0.1, 0, 0.92), 0.1, (30, 30, 30))
    return builder


def cyclist(looks: Looks, turns: float, helmet: Bgr | None) -> MeshBuilder:
    """Return the rider of a `bicycle`."""
    seat, grip, cranks = (-0.2, 0.0, 0.92), (0.34, 0.0, 1.03), (-0.08, 0.0, 0.3)
    return rider(looks, seat, grip, (cranks, 0.17, -turns), helmet=helmet)


def _disc(
    builder: MeshBuilder, x: float, radius: float, half: float, *, bgr: Bgr, corners: int
) -> None:
    """Add a wheel with tread: both sides, and the strip between them."""
    angles = np.linspace(0, 2 * math.pi, corners, endpoint=False)
    centre = (x, 0.0, 0.31)
    rim = [(x + radius * math.cos(a), 0.31 + radius * math.sin(a)) for a in angles]
    for (xa, za), (xb, zb) in zip(rim, rim[1:] + rim[:1], strict=True):
        builder.face(
            [(xa, -half, za), (xa, half, za), (xb, half, zb), (xb, -half, zb)], bgr, inside=centre
        )
    for y in (-half, half):
        builder.face([(px, y, pz) for px, pz in rim], bgr, inside=centre)


def _across(x: float, half: float, z: tuple[float, float]) -> list[Point]:
    return [(x, -half, z[0]), (x, half, z[0]), (x, half, z[1]), (x, -half, z[1])]
