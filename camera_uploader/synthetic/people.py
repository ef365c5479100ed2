"""People on foot and in the saddle: jointed figures of round limbs that walk and pedal."""

# How often a thing occurs in a drawn world is a number of its own, named by what it decides.
# ruff: noqa: PLR2004

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from camera_uploader.synthetic.mesh import Bgr, MeshBuilder, Point, toned

SKINS: Final[tuple[Bgr, ...]] = (
    (176, 198, 232), (150, 178, 220), (118, 150, 200), (84, 112, 160), (58, 78, 116),
)  # fmt: skip
HAIRS: Final[tuple[Bgr, ...]] = (
    (24, 24, 28), (36, 46, 64), (60, 84, 116), (120, 168, 200), (150, 150, 154),
)  # fmt: skip
CLOTHES: Final[tuple[Bgr, ...]] = (
    (58, 54, 52), (120, 76, 40), (48, 44, 150), (70, 120, 70), (210, 208, 200), (150, 142, 132),
    (60, 130, 200), (60, 190, 230), (150, 90, 130), (96, 60, 34), (40, 40, 44), (180, 150, 90),
)  # fmt: skip
TROUSERS: Final[tuple[Bgr, ...]] = (
    (92, 62, 40), (50, 46, 44), (60, 58, 58), (110, 120, 136), (130, 96, 62), (36, 34, 36),
)  # fmt: skip
VEST: Final[Bgr] = (60, 235, 215)


@dataclass(frozen=True)
class Looks:
    """What one person looks like and how they walk."""

    height_m: float
    skin: Bgr
    hair: Bgr
    top: Bgr
    trousers: Bgr
    bag: Bgr | None
    umbrella: Bgr | None
    phase: float

    @classmethod
    def drawn(cls, rng: np.random.Generator, *, rain: bool = False, vest: bool = False) -> Looks:
        """Return a random person; with `rain` most carry an umbrella, with `vest` it is a guard."""
        height = rng.uniform(1.56, 1.9) if vest or rng.random() > 0.1 else rng.uniform(1.15, 1.4)
        bag = CLOTHES[int(rng.integers(len(CLOTHES)))] if rng.random() < 0.35 else None
        umbrella = CLOTHES[int(rng.integers(len(CLOTHES)))] if rain and rng.random() < 0.6 else None
        return cls(
            height_m=float(height),
            skin=SKINS[int(rng.integers(len(SKINS)))],
            hair=HAIRS[int(rng.integers(len(HAIRS)))],
            top=VEST if vest else CLOTHES[int(rng.integers(len(CLOTHES)))],
            trousers=TROUSERS[int(rng.integers(len(TROUSERS)))],
            bag=bag,
            umbrella=umbrella,
            phase=float(rng.uniform(0, 2 * math.pi)),
        )


def walker(looks: Looks, steps: float, *, seen_from_left: bool, fine: bool = True) -> MeshBuilder:
    """Return a person mid-step; `steps` counts the steps walked so far.

    Limbs on the far side are added, and so painted, first. Without `fine` small parts are left
    out, for people only a few pixels high.
    """
    builder = MeshBuilder()
    scale = looks.height_m / 1.75
    swing = math.sin(math.pi * steps + looks.phase)
    near = 1.0 if seen_from_left else -1.0
    hip_z, shoulder_z = 0.92 * scale, 1.44 * scale

    def leg(side: float, swing: float) -> None:
        lift = max(0.0, -swing) * 0.12 * scale
        hip = (0.0, 0.09 * side * scale, hip_z)
        knee = (0.30 * swing * scale + 0.05, hip[1], 0.5 * scale + lift * 0.4)
        foot = (0.42 * swing * scale - 0.10 * max(0.0, -swing), hip[1], 0.07 + lift)
        builder.stroke(knee, foot, 0.125 * scale, looks.trousers)
        builder.stroke(hip, knee, 0.165 * scale, looks.trousers)
        if not fine:
            return
        toe = (foot[0] + 0.15 * scale, foot[1], foot[2] - 0.02)
        builder.stroke(foot, toe, 0.095 * scale, (34, 32, 34))

    def arm(side: float, swing: float) -> None:
        shoulder = (0.0, 0.21 * side * scale, shoulder_z - 0.03)
        elbow = (0.16 * swing * scale - 0.03, 0.25 * side * scale, 1.16 * scale)
        hand = (0.34 * swing * scale + 0.06, 0.23 * side * scale, 0.93 * scale + 0.05 * abs(swing))
        if looks.umbrella and side < 0:
            hand = (0.22 * scale, -0.16 * scale, 1.25 * scale)
        dark = toned(looks.top, 0.86)
        if fine:
            builder.stroke(elbow, hand, 0.085 * scale, looks.skin)
        builder.stroke(shoulder, elbow, 0.115 * scale, dark)

    arm(-near, swing * near)
    leg(-near, -swing * near)
    leg(near, swing * near)
    if looks.bag:
        builder.stroke((-0.17, 0, 1.05 * scale), (-0.17, 0, 1.32 * scale), 0.26 * scale, looks.bag)
    for side in (-0.085, 0.085):
        top, bottom = (0.0, side * scale, shoulder_z - 0.1), (0.0, side * 0.8 * scale, hip_z + 0.05)
        builder.stroke(top, bottom, 0.25 * scale, looks.top)
    arm(near, -swing * near)
    _head(builder, (0.02, 0.0, shoulder_z), scale, looks)
    if looks.umbrella:
        _umbrella(builder, scale, looks.umbrella)
    return builder


def _head(builder: MeshBuilder, neck: Point, scale: float, looks: Looks) -> None:
    x, y, z = neck
    builder.stroke((x, y, z - 0.04), (x, y, z + 0.06), 0.11 * scale, looks.skin)
    builder.stroke((x, y, z + 0.14 * scale), (x, y, z + 0.2 * scale), 0.19 * scale, looks.skin)
    back = x - 0.035
    builder.stroke(
        (back, y, z + 0.22 * scale), (back + 0.02, y, z + 0.23 * scale), 0.2 * scale, looks.hair
    )


def _umbrella(builder: MeshBuilder, scale: float, bgr: Bgr) -> None:
    x, y, z = 0.2 * scale, -0.12 * scale, 2.0 * scale
    builder.stroke((x, y, 1.2 * scale), (x, y, 1.72 * scale), 0.025, (60, 60, 60))
    rim = np.linspace(0, 2 * math.pi, 9)
    for start, end in pairwise(rim):
        tone = 0.8 + 0.25 * math.cos((start + end) / 2)
        builder.face(
            [
                (x, y, z + 0.16),
                (x + 0.5 * math.cos(start), y + 0.5 * math.sin(start), z - 0.1),
                (x + 0.5 * math.cos(end), y + 0.5 * math.sin(end), z - 0.1),
            ],
            toned(bgr, tone),
            inside=(x, y, z - 0.6),
        )


def rider(
    looks: Looks, seat: Point, grip: Point, feet: tuple[Point, float, float], *, helmet: Bgr | None
) -> MeshBuilder:
    """Return a person in the saddle with both hands at `grip`.

    The feet circle a point at a radius (metres) and have made so many turns: `feet`.
    """
    pedal, crank_m, turns = feet
    builder = MeshBuilder()
    shoulder = (seat[0] + 0.32, 0.0, seat[2] + 0.50)
    for side in (-1.0, 1.0):
        angle = 2 * math.pi * turns + (math.pi if side > 0 else 0.0)
        foot = (
            pedal[0] + crank_m * math.cos(angle),
            0.11 * side,
            pedal[2] + crank_m * math.sin(angle),
        )
        hip = (seat[0], 0.09 * side, seat[2] + 0.06)
        knee = ((hip[0] + foot[0]) / 2 + 0.2, 0.13 * side, (hip[2] + foot[2]) / 2 + 0.08)
        builder.stroke(knee, foot, 0.12, looks.trousers)
        builder.stroke(hip, knee, 0.16, looks.trousers)
        builder.stroke(foot, (foot[0] + 0.13, foot[1], foot[2]), 0.09, (36, 34, 34))
    for side in (-0.07, 0.07):
        builder.stroke(
            (seat[0] + 0.02, side, seat[2] + 0.12),
            (shoulder[0], side, shoulder[2] - 0.08),
            0.24,
            looks.top,
        )
    for side in (-1.0, 1.0):
        elbow = ((shoulder[0] + grip[0]) / 2, 0.24 * side, (shoulder[2] + grip[2]) / 2 - 0.08)
        builder.stroke((shoulder[0], 0.17 * side, shoulder[2] - 0.05), elbow, 0.11, looks.top)
        builder.stroke(elbow, (grip[0], 0.24 * side, grip[2]), 0.085, looks.skin)
    _head(builder, (shoulder[0] + 0.05, 0.0, shoulder[2]), 1.0, looks)
    if helmet:
        x, z = shoulder[0] + 0.05, shoulder[2] + 0.19
        builder.stroke((x - 0.02, 0, z), (x + 0.01, 0, z + 0.02), 0.27, helmet)
    return builder
