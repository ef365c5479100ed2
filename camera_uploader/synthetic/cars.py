"""Cars: hatchbacks, saloons, estates, off-roaders and taxis."""

# How often a thing occurs in a drawn world is a number of its own, named by what it decides.
# ruff: noqa: PLR2004

from __future__ import annotations

import numpy as np

from camera_uploader.synthetic.bodies import Body, Lamp, Plate
from camera_uploader.synthetic.coachwork import (
    PAINTS,
    TRIM,
    cabin,
    end_panel,
    fit_lamps,
    fit_plates,
    ground_gap,
    loft,
    panel,
    wheel,
)
from camera_uploader.synthetic.mesh import Bgr, MeshBuilder
from camera_uploader.synthetic.plates import plate_text


def car(rng: np.random.Generator) -> Body:
    """Return a hatchback, saloon, estate or off-roader, about one in ten a taxi."""
    shape = rng.choice(("hatch", "saloon", "estate", "suv"), p=(0.3, 0.3, 0.2, 0.2))
    length, height = {
        "hatch": (3.95, 1.47), "saloon": (4.6, 1.44), "estate": (4.65, 1.48), "suv": (4.5, 1.7),
    }[str(shape)]  # fmt: skip
    length *= rng.uniform(0.95, 1.06)
    width = rng.uniform(1.74, 1.88)
    taxi = rng.random() < 0.1
    paint: Bgr = (60, 196, 235) if taxi else PAINTS[int(rng.integers(len(PAINTS)))]
    belt = height * 0.62
    half, nose = length / 2, length * (0.25 if shape != "hatch" else 0.22)
    floor = 0.3 if shape == "suv" else 0.2
    tail = {"hatch": 0.08, "saloon": 0.95, "estate": 0.08, "suv": 0.08}[str(shape)]
    builder = MeshBuilder()
    ground_gap(builder, length, width, floor)
    profile = [
        (-half + 0.10, floor), (-half, 0.42), (-half + 0.01, belt * 0.78), (-half + 0.07, belt),
        (-half + tail, belt + 0.02), (half - nose - 0.05, belt), (half - nose * 0.45, belt * 0.93),
        (half - 0.12, belt * 0.80), (half - 0.01, belt * 0.62), (half, 0.40), (half - 0.10, floor),
    ]  # fmt: skip
    loft(builder, profile, lambda x: width / 2 * (1 - 0.13 * (abs(x) / half) ** 5), paint)
    _sills(builder, half, width, floor, belt)
    roof = (-half + (tail + 0.75 if shape == "saloon" else 0.42), half - nose - 0.85)
    cabin(
        builder, (-half + tail + 0.05, half - nose + 0.02), roof, (belt, height), width, bgr=paint
    )
    front, rear = half - length * 0.19, -half + length * 0.19
    radius = 0.36 if shape == "suv" else 0.32
    for x in (front, rear):
        wheel(builder, x, width / 2, radius)
    text = plate_text(rng)
    plates, lamps = _front_and_rear(builder, rng, (half, width, belt), text)
    if taxi:
        builder.box(
            (-0.12, 0.14), (-0.34, 0.34), (height, height + 0.16), (210, 240, 248), glow=0.6
        )
    return Body("car", length, width, builder.build(), plates, lamps)


def _sills(builder: MeshBuilder, half: float, width: float, floor: float, belt: float) -> None:
    """Dark sills, door gaps and handles."""
    for y in (-width / 2 - 0.004, width / 2 + 0.004):
        panel(builder, y, (-half * 0.62, half * 0.62), (floor, floor + 0.09), TRIM)
        for x in (half * 0.30, -half * 0.12, -half * 0.46):
            panel(builder, y, (x - 0.012, x + 0.012), (floor + 0.12, belt - 0.03), (40, 38, 38))
        for x in (-half * 0.05, -half * 0.40):
            panel(builder, y, (x - 0.09, x + 0.09), (belt - 0.15, belt - 0.11), TRIM)


def _front_and_rear(
    builder: MeshBuilder, rng: np.random.Generator, size: tuple[float, float, float], text: str
) -> tuple[tuple[Plate, ...], tuple[Lamp, ...]]:
    """Add grille, bumpers, lamps and plates; `size` is half length, width, height of the belt."""
    half, width, belt = size
    side = width / 2 * 0.87
    end_panel(builder, half, (-side * 0.62, side * 0.62), (belt * 0.50, belt * 0.63), (30, 29, 29))
    end_panel(builder, half, (-side * 0.8, side * 0.8), (0.26, 0.36), TRIM)
    end_panel(builder, -half, (-side * 0.85, side * 0.85), (0.26, 0.38), TRIM)
    lamps = fit_lamps(builder, half, side, belt * 0.66, (0.34, 0.13))
    yellow = bool(rng.random() < 0.2)
    return fit_plates(rng, half, 0.46, text=text, yellow=yellow, rear_z=belt * 0.62), lamps
