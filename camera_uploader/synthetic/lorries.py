"""Large vehicles: city buses and trucks."""

# How often a thing occurs in a drawn world is a number of its own, named by what it decides.
# ruff: noqa: PLR2004

from __future__ import annotations

from typing import Final

import numpy as np

from camera_uploader.synthetic.bodies import Body
from camera_uploader.synthetic.coachwork import (
    GLASS,
    PAINTS,
    TRIM,
    end_panel,
    fit_lamps,
    fit_plates,
    ground_gap,
    loft,
    panel,
    tinted,
    wheel,
)
from camera_uploader.synthetic.mesh import Bgr, MeshBuilder, Swap, toned

LIVERIES: Final[tuple[Bgr, ...]] = (
    (60, 60, 200), (190, 120, 40), (70, 160, 70), (60, 190, 235), (230, 230, 230), (120, 60, 150),
)  # fmt: skip
CARGOES: Final[tuple[Bgr, ...]] = (
    (228, 228, 226), (200, 190, 180), (60, 110, 190), (170, 110, 50), (90, 140, 80),
)  # fmt: skip


def bus(rng: np.random.Generator) -> Body:
    """Return a city bus with doors, a destination sign and a coloured skirt."""
    length, width, height = rng.uniform(9.5, 12.0), 2.5, rng.uniform(2.95, 3.2)
    paint = LIVERIES[int(rng.integers(len(LIVERIES)))]
    skirt: Bgr = (232, 232, 230) if rng.random() < 0.5 else toned(paint, 0.55)
    half, side = length / 2, width / 2
    builder = MeshBuilder()
    ground_gap(builder, length, width, 0.3)
    builder.box((-half, half), (-side, side), (0.3, height), paint, top_bgr=(214, 214, 212))
    for y in (-side - 0.004, side + 0.004):
        panel(builder, y, (-half, half), (0.3, 0.85), skirt)
        panel(builder, y, (-half + 0.25, half - 0.3), (1.25, 2.45), TRIM)
        count = int((length - 1.2) / 1.45)
        for index in range(count):
            start = -half + 0.45 + index * (length - 1.1) / count
            end = start + (length - 1.1) / count - 0.14
            panel(builder, y, (start, end), (1.32, 2.38), tinted(rng), glow=0.0)
    for x in (half - 1.35, -0.4):
        y = -side - 0.008
        panel(builder, y, (x - 0.62, x + 0.62), (0.42, 2.4), TRIM)
        panel(builder, y, (x - 0.56, x - 0.04), (0.55, 2.3), tinted(rng))
        panel(builder, y, (x + 0.04, x + 0.56), (0.55, 2.3), tinted(rng))
    end_panel(builder, half, (-side + 0.12, side - 0.12), (1.05, 2.5), GLASS)
    end_panel(builder, half, (-side + 0.3, side - 0.3), (2.56, 2.86), (20, 20, 22))
    end_panel(builder, half, (-side + 0.45, side - 0.5), (2.63, 2.8), (40, 170, 250), glow=0.9)
    end_panel(builder, -half, (-side + 0.35, side - 0.35), (1.5, 2.45), GLASS)
    builder.box((-half + 1.5, -half + 4.2), (-0.8, 0.8), (height, height + 0.22), (205, 205, 203))
    for x in (half - 2.6, -half + 2.4):
        wheel(builder, x, side, 0.48)
    lamps = fit_lamps(builder, half, side, 0.72, (0.34, 0.2))
    return Body("bus", length, width, builder.build(), fit_plates(rng, half, 0.5), lamps)


def truck(rng: np.random.Generator) -> Body:
    """Return a lorry: cab and box, cab and tipper, or a long trailer."""
    kind = rng.choice(("box", "tipper", "trailer"), p=(0.5, 0.2, 0.3))
    length = {"box": rng.uniform(6.4, 8.2), "tipper": 6.6, "trailer": rng.uniform(10.5, 12.5)}[
        str(kind)
    ]
    width, height = 2.44, {"box": 3.3, "tipper": 2.6, "trailer": 3.7}[str(kind)]
    cab_height = 2.55 if kind != "trailer" else 3.1
    half, side, cab = length / 2, width / 2, 2.0
    paint = PAINTS[int(rng.integers(len(PAINTS)))]
    cargo: Bgr = (70, 120, 160) if kind == "tipper" else CARGOES[int(rng.integers(len(CARGOES)))]
    builder = MeshBuilder()
    ground_gap(builder, length, width, 0.55)
    builder.box((-half, half - cab), (-side + 0.1, side - 0.1), (0.6, 0.95), TRIM)
    cab_start = len(builder.faces)
    _cab(builder, (half - cab, half), side, cab_height, paint)
    cargo_start = len(builder.faces)
    box = (-half, half - cab - 0.25)
    builder.box(box, (-side, side), (0.95, height), cargo, top_bgr=toned(cargo, 0.9))
    _cargo_marks(builder, rng, (box, side, height), cargo, tipper=kind == "tipper")
    builder.swap = Swap(cab_start, cargo_start, len(builder.faces), half - cab - 0.1)
    wheels = [half - 1.15, -half + 1.0] + ([-half + 2.15] if kind != "box" else [])
    for x in wheels:
        wheel(builder, x, side, 0.5)
    lamps = fit_lamps(builder, half, side, 0.72, (0.32, 0.2))
    return Body("truck", length, width, builder.build(), fit_plates(rng, half, 0.52), lamps)


def _cab(
    builder: MeshBuilder, x: tuple[float, float], side: float, height: float, paint: Bgr
) -> None:
    rear, nose = x
    profile = [
        (rear, 0.5), (rear, height), (nose - 0.5, height), (nose - 0.16, height * 0.9),
        (nose - 0.02, height * 0.52), (nose, 0.5),
    ]  # fmt: skip
    loft(builder, profile, lambda _: side * 0.97, paint)
    low, high = height * 0.54, height * 0.86
    builder.face(
        [(nose, -side * 0.86, low), (nose, side * 0.86, low),
         (nose - 0.12, side * 0.84, high), (nose - 0.12, -side * 0.84, high)], GLASS,
    )  # fmt: skip
    for y in (-side * 0.97 - 0.006, side * 0.97 + 0.006):
        panel(builder, y, (rear + 0.56, nose - 0.32), (height * 0.55, height * 0.84), GLASS)
        panel(builder, y, (rear, nose - 0.02), (0.5, 0.8), TRIM)
    end_panel(builder, nose + 0.01, (-side * 0.8, side * 0.8), (0.85, 1.2), TRIM)


def _cargo_marks(
    builder: MeshBuilder,
    rng: np.random.Generator,
    box: tuple[tuple[float, float], float, float],
    cargo: Bgr,
    *,
    tipper: bool,
) -> None:
    """Add stripes to a box's sides or ribs to a tipper's, and doors at the back."""
    x, side, height = box
    darker: Bgr = toned(cargo, 0.6)
    accent = PAINTS[int(rng.integers(7, len(PAINTS)))]
    for y in (-side - 0.006, side + 0.006):
        if tipper:
            for share in np.linspace(0.04, 0.96, 7):
                at = x[0] + (x[1] - x[0]) * share
                panel(builder, y, (at - 0.06, at + 0.06), (0.95, height), darker)
        else:
            z = 0.95 + (height - 0.95) * rng.uniform(0.15, 0.6)
            panel(builder, y, (x[0], x[1]), (z, z + 0.35), accent)
            panel(builder, y, (x[0], x[1]), (0.95, 1.05), darker)
    end_panel(builder, x[0], (-0.02, 0.02), (1.0, height - 0.05), darker)
    end_panel(builder, x[0], (-side, side), (0.95, 1.05), darker)
