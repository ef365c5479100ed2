"""The parts vehicles are built from: lofted bodies, cabins, wheels, panels, lamps and plates."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Final

import numpy as np

from camera_uploader.synthetic.bodies import Lamp, Plate
from camera_uploader.synthetic.lens import Floats
from camera_uploader.synthetic.mesh import Bgr, MeshBuilder, toned
from camera_uploader.synthetic.plates import PLATE_HEIGHT_M, PLATE_WIDTH_M, plate_text

Span = tuple[float, float]

PAINTS: Final[tuple[Bgr, ...]] = (
    (236, 236, 232), (228, 230, 232), (196, 194, 190), (150, 148, 146), (92, 90, 90),
    (46, 44, 44), (36, 36, 40), (44, 40, 172), (38, 30, 132), (150, 84, 32), (176, 120, 62),
    (96, 54, 28), (66, 96, 44), (120, 140, 120), (54, 150, 214), (60, 196, 232), (92, 110, 140),
)  # fmt: skip
"""Paint of cars (BGR); white, grey and black are as common as on a real street."""

GLASS: Final[Bgr] = (66, 54, 46)
TYRE: Final[Bgr] = (34, 33, 33)
TRIM: Final[Bgr] = (44, 42, 42)
WARM_WHITE: Final[Bgr] = (205, 235, 250)
RED: Final[Bgr] = (36, 30, 200)


def loft(
    builder: MeshBuilder,
    profile: list[Span],
    half_width: Callable[[float], float],
    bgr: Bgr,
) -> None:
    """Add a body from its side view: (x, z) corners, `half_width(x)` wide to each side."""
    middle = (
        sum(x for x, _ in profile) / len(profile),
        0.0,
        sum(z for _, z in profile) / len(profile),
    )
    for side in (-1.0, 1.0):
        builder.face([(x, side * half_width(x), z) for x, z in profile], bgr, inside=middle)
    for (x0, z0), (x1, z1) in pairwise(profile):
        w0, w1 = half_width(x0), half_width(x1)
        builder.face([(x0, -w0, z0), (x0, w0, z0), (x1, w1, z1), (x1, -w1, z1)], bgr, inside=middle)


def cabin(
    builder: MeshBuilder,
    foot: Span,
    roof: Span,
    z: Span,
    width: float,
    *,
    bgr: Bgr,
) -> None:
    """Add a greenhouse: glass all round between pillars, narrower at the roof than at the belt."""
    low, high = width / 2 * 0.95, width / 2 * 0.74
    (x0, x1), (r0, r1), (z0, z1) = foot, roof, z
    inside = ((x0 + x1) / 2, 0.0, (z0 + z1) / 2)
    ends = (((x0, r0), -1), ((x1, r1), 1))
    for (bottom, top), _ in ends:
        corners = np.array(
            [(bottom, -low, z0), (bottom, low, z0), (top, high, z1), (top, -high, z1)]
        )
        builder.face(corners, bgr, inside=inside)
        glass = _inset(corners, 0.07)
        builder.face(glass, GLASS, inside=inside)
        # The upper part mirrors the sky.
        upper = glass.copy()
        upper[0], upper[1] = glass[0] * 0.45 + glass[3] * 0.55, glass[1] * 0.2 + glass[2] * 0.8
        builder.face(upper, (128, 110, 94), inside=inside)
    for side in (-1.0, 1.0):
        corners = np.array(
            [
                (x0, side * low, z0),
                (x1, side * low, z0),
                (r1, side * high, z1),
                (r0, side * high, z1),
            ]
        )
        builder.face(corners, bgr, inside=inside)
        for start, end in ((0.06, 0.47), (0.53, 0.94)):
            builder.face(_pane(corners, start, end), GLASS, inside=inside)
    step = (r1 - r0) * 0.16
    arch = [(r0, z1), (r0 + step, z1 + 0.035), (r1 - step, z1 + 0.035), (r1, z1)]
    for (xa, za), (xb, zb) in pairwise(arch):
        builder.face(
            [(xa, -high, za), (xa, high, za), (xb, high, zb), (xb, -high, zb)], bgr, inside=inside
        )


def wheel(builder: MeshBuilder, x: float, side: float, radius: float) -> None:
    """Add a pair of wheels in dark arches, left and right."""
    angles = np.linspace(0, 2 * math.pi, 14, endpoint=False)
    for y in (-side, side):
        out = math.copysign(1.0, y)
        for scale, push, bgr in (
            (1.16, 0.008, (22, 21, 21)), (1.0, 0.014, TYRE), (0.62, 0.02, (168, 166, 164)),
            (0.24, 0.024, (84, 82, 82)),
        ):  # fmt: skip
            rim = [
                (
                    x + scale * radius * math.cos(a),
                    y + out * push,
                    radius + scale * radius * math.sin(a),
                )
                for a in angles
            ]
            if scale > 1:
                rim = [(px, py, max(pz, radius)) for px, py, pz in rim]
            builder.face(rim, bgr, inside=(x, 0.0, radius))


def panel(
    builder: MeshBuilder,
    y: float,
    x: Span,
    z: Span,
    bgr: Bgr,
    *,
    glow: float = 0.0,
) -> None:
    """Add an upright rectangle on a side, at `y`."""
    builder.face(
        [(x[0], y, z[0]), (x[1], y, z[0]), (x[1], y, z[1]), (x[0], y, z[1])],
        bgr,
        inside=(0, 0, 1),
        glow=glow,
    )


def end_panel(
    builder: MeshBuilder,
    x: float,
    y: Span,
    z: Span,
    bgr: Bgr,
    *,
    glow: float = 0.0,
) -> None:
    """Add an upright rectangle on the front or the rear, a little outside of `x`."""
    x += math.copysign(0.008, x)
    builder.face(
        [(x, y[0], z[0]), (x, y[1], z[0]), (x, y[1], z[1]), (x, y[0], z[1])],
        bgr,
        inside=(0, 0, 1),
        glow=glow,
    )


def ground_gap(builder: MeshBuilder, length: float, width: float, floor: float) -> None:
    """Add the dark underside between the wheels."""
    builder.box(
        (-length / 2 * 0.9, length / 2 * 0.9),
        (-width / 2 * 0.92, width / 2 * 0.92),
        (0.08, floor + 0.05),
        (24, 23, 23),
    )


def fit_lamps(
    builder: MeshBuilder, half: float, side: float, z: float, size: Span
) -> tuple[Lamp, ...]:
    """Add head and tail lamps in pairs, `side` from the middle; return what shines."""
    lamps: list[Lamp] = []
    for sign in (-1.0, 1.0):
        y = (sign * (side - size[0]), sign * side)
        low_high = (min(y), max(y))
        middle = sum(y) / 2
        end_panel(
            builder, half, low_high, (z - size[1] / 2, z + size[1] / 2), WARM_WHITE, glow=0.75
        )
        end_panel(builder, -half, low_high, (z - size[1] / 2, z + size[1] / 2), RED, glow=0.45)
        lamps.append(Lamp((half + 0.05, middle, z), ahead=True, bgr=(190, 225, 255)))
        lamps.append(Lamp((-half - 0.05, middle, z), ahead=False, bgr=(30, 30, 190)))
    return tuple(lamps)


def fit_plates(
    rng: np.random.Generator,
    half: float,
    z: float,
    *,
    text: str | None = None,
    yellow: bool = False,
    rear_z: float | None = None,
) -> tuple[Plate, ...]:
    """Return a plate for the front at height `z` and one for the rear, with the same text."""
    text = text or plate_text(rng)
    return (
        _plate(text, half + 0.03, z, yellow=False),
        _plate(text, -half - 0.03, rear_z or z + 0.1, yellow=yellow),
    )


def _plate(text: str, x: float, z: float, *, yellow: bool) -> Plate:
    # Seen from outside the left edge is at +y on the rear, at -y on the front.
    left = math.copysign(PLATE_WIDTH_M / 2, -x)
    top, bottom = z + PLATE_HEIGHT_M / 2, z - PLATE_HEIGHT_M / 2
    return Plate(
        text,
        yellow=yellow,
        corners=((x, left, top), (x, -left, top), (x, -left, bottom), (x, left, bottom)),
    )


def tinted(rng: np.random.Generator) -> Bgr:
    """Return the colour of one pane: no two mirror quite the same."""
    tone = rng.uniform(0.85, 1.3)
    return toned(GLASS, tone)


def _inset(corners: Floats, share: float) -> Floats:
    middle = corners.mean(axis=0)
    return np.asarray(middle + (corners - middle) * (1 - 2 * share))


def _pane(corners: Floats, start: float, end: float) -> Floats:
    """Return the part of a side between two shares of its length, in from sill and roof."""
    low0, low1, high1, high0 = corners
    points = [
        low0 + (low1 - low0) * start, low0 + (low1 - low0) * end,
        high0 + (high1 - high0) * end, high0 + (high1 - high0) * start,
    ]  # fmt: skip
    a, b, c, d = points
    return np.array(
        [a + (d - a) * 0.08, b + (c - b) * 0.08, c + (b - c) * 0.14, d + (a - d) * 0.14]
    )
