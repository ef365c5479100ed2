"""The ground: road, pavements, painted lines, wear, stains, and the shadows that never move."""

# How often a thing occurs in a drawn world is a number of its own, named by what it decides.
# ruff: noqa: PLR2004

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from camera_uploader.synthetic.easel import Easel, bands
from camera_uploader.synthetic.mesh import Bgr, toned
from camera_uploader.synthetic.weather import Light, Weather
from camera_uploader.synthetic.world import LANE_M, ROAD_END_M, ROAD_START_M, World

ASPHALT: Final[Bgr] = (98, 96, 95)
PAVING: Final[Bgr] = (166, 170, 174)
KERB: Final[Bgr] = (188, 190, 190)
GRASS: Final[Bgr] = (70, 128, 104)
PAINT: Final[Bgr] = (232, 234, 234)


def paint_ground(easel: Easel, world: World, weather: Weather, rng: np.random.Generator) -> None:
    """Paint the map from the grass up to the markings, then stain it."""
    wet = 0.62 if weather.rain else 1.0
    asphalt: Bgr = toned(ASPHALT, wet)
    paving: Bgr = toned(PAVING, 0.5 + wet / 2)
    end = ROAD_END_M + 9
    far = (ROAD_START_M, end)
    half, pavement = world.road_half_m, world.pavement_m
    base = GRASS if world.kind == "gate" else paving
    easel.ground((-120, 120), (ROAD_START_M - 10, 200), base)
    if world.kind == "gate":
        easel.ground((-half - 12, half + 12), (9.0, 74), asphalt)
    for side in (-1, 1):
        inner, outer = side * half, side * (half + pavement + 0.6)
        easel.ground((min(inner, outer), max(inner, outer)), far, paving)
        for joint in np.arange(-14, 40, 1.2):
            dark: Bgr = toned(paving, 0.9)
            easel.ground((min(inner, outer), max(inner, outer)), (joint, joint + 0.03), dark)
    easel.ground((-half, half), far, asphalt)
    if world.kind == "street":
        easel.ground((-120, 120), (ROAD_END_M + 1, ROAD_END_M + 8), asphalt)
    _wear(easel, world, asphalt, rng)
    for side in (-1, 1):
        edge = side * half
        easel.ground(
            (min(edge, edge + side * 0.28), max(edge, edge + side * 0.28)), far, KERB, z=0.1
        )
        gutter: Bgr = toned(asphalt, 0.75)
        easel.ground((min(edge, edge - side * 0.3), max(edge, edge - side * 0.3)), far, gutter)
    _markings(easel, world, rng)
    _grain(easel, rng)


def _wear(easel: Easel, world: World, asphalt: Bgr, rng: np.random.Generator) -> None:
    """Patches, joints, manhole covers, and the darker tracks of wheels."""
    half = world.road_half_m
    for _ in range(int(rng.integers(6, 14))):
        x, y = rng.uniform(-half, half - 1.5), rng.uniform(-6, 60)
        tone = rng.uniform(0.84, 1.1)
        patch: Bgr = toned(asphalt, tone)
        easel.ground((x, min(half, x + rng.uniform(0.8, 2.8))), (y, y + rng.uniform(1, 7)), patch)
    for lane in world.lanes:
        if lane.users[0][0] in ("person", "bicycle"):
            continue
        for offset in (-0.8, 0.8):
            track: Bgr = toned(asphalt, 0.93)
            x = lane.x_m + offset
            easel.ground((x - 0.28, x + 0.28), (ROAD_START_M, ROAD_END_M), track)
    for _ in range(4):
        x, y = rng.uniform(-half + 1, half - 1), rng.uniform(2, 40)
        angles = np.linspace(0, 2 * np.pi, 20, endpoint=False)
        for radius, tone in ((0.42, 0.6), (0.35, 0.8)):
            ring = np.stack(
                (x + radius * np.cos(angles), y + radius * np.sin(angles), np.zeros(20)), axis=1
            )
            easel.polygon(ring, toned(asphalt, tone))


def _markings(easel: Easel, world: World, rng: np.random.Generator) -> None:
    half, median = world.road_half_m, world.median_half_m
    if world.kind == "gate":
        _gate_markings(easel, world)
        return
    each = max(1, sum(lane.direction > 0 and lane.users[0][0] == "car" for lane in world.lanes))
    if median:
        easel.ground((-median, median), (ROAD_START_M, ROAD_END_M), KERB, z=0.12)
        easel.ground((-median + 0.2, median - 0.2), (ROAD_START_M, ROAD_END_M), GRASS, z=0.12)
    elif each == 1 and rng.random() < 0.5:
        _dashes(easel, 0.0, 4.5)
    else:
        for x in (-0.16, 0.16):
            easel.ground((x - 0.06, x + 0.06), (ROAD_START_M, ROAD_END_M), PAINT)
    for direction in (-1, 1):
        for index in range(1, each):
            _dashes(easel, direction * (median + index * LANE_M), 3.0)
        edge = direction * (median + each * LANE_M + 0.1)
        easel.ground((edge - 0.06, edge + 0.06), (ROAD_START_M, ROAD_END_M), PAINT)
        for y in np.arange(6.0, 60.0, 24.0):
            _bicycle_sign(easel, direction * (half - 0.85), y)
    if not median and rng.random() < 0.6:
        y = float(rng.uniform(8, 26))
        for x in np.arange(-half + 0.4, half - 0.5, 1.0):
            easel.ground((x, x + 0.5), (y, y + 3.2), PAINT)


def _dashes(easel: Easel, x: float, length_m: float) -> None:
    for y in np.arange(ROAD_START_M, ROAD_END_M, length_m * 2.2):
        easel.ground((x - 0.06, x + 0.06), (y, y + length_m), PAINT)


def _bicycle_sign(easel: Easel, x: float, y: float) -> None:
    """Two painted chevrons: bicycles ride here."""
    for step in (0.0, 0.8):
        for side in (-1, 1):
            corners = np.array(
                [
                    (x, y + step + 0.5, 0),
                    (x + side * 0.45, y + step, 0),
                    (x + side * 0.45, y + step + 0.25, 0),
                    (x, y + step + 0.75, 0),
                ]
            )
            easel.polygon(corners, PAINT)


def _gate_markings(easel: Easel, world: World) -> None:
    half = world.road_half_m
    for lane in world.lanes:
        if lane.stop_y_m is None:
            continue
        y = lane.stop_y_m - lane.direction * 0.1
        easel.ground((lane.x_m - LANE_M / 2, lane.x_m + LANE_M / 2), (y - 0.2, y + 0.2), PAINT)
        for start in (6.5, 18.0, 30.0):
            _arrow(easel, lane.x_m, start * -lane.direction, lane.direction)
    for x in (-half + 0.12, half - 0.12):
        easel.ground((x - 0.06, x + 0.06), (ROAD_START_M, ROAD_END_M), PAINT)
    if len(world.barriers) > 1:
        easel.ground((-1.15, 1.15), (-4.5, 7.5), KERB, z=0.14)
        easel.ground((-1.0, 1.0), (-4.3, 7.3), PAVING, z=0.14)
        for stripe in np.arange(-4.2, -2.2, 0.7):
            easel.ground((-1.0, 1.0), (stripe, stripe + 0.35), (50, 190, 230), z=0.15)


def _arrow(easel: Easel, x: float, y: float, direction: int) -> None:
    d = direction
    easel.ground((x - 0.1, x + 0.1), (min(y, y + d * 1.8), max(y, y + d * 1.8)), PAINT)
    tip = np.array([(x - 0.38, y + d * 1.8, 0), (x + 0.38, y + d * 1.8, 0), (x, y + d * 3.0, 0)])
    easel.polygon(tip, PAINT)


def _grain(easel: Easel, rng: np.random.Generator) -> None:
    """Fine and coarse stains on the ground, laid down in perspective."""
    lens = easel.lens
    corners = np.array(
        [(-30.0, -6.0, 0.0), (30.0, -6.0, 0.0), (30.0, 70.0, 0.0), (-30.0, 70.0, 0.0)]
    )
    shifted = (corners - lens.eye_m) @ lens.axes.T
    tile = 1024
    fine = rng.normal(0, 5.0, (tile, tile)).astype(np.float32)
    for cells, weight in ((256, 4.0), (64, 4.0), (16, 4.0)):
        coarse = rng.normal(0, weight, (cells, cells)).astype(np.float32)
        fine += cv2.resize(coarse, (tile, tile), interpolation=cv2.INTER_CUBIC)
    # Camera matrix times (x, y, 1) on the map gives the picture: a homography of the ground.
    matrix = np.array(
        [[lens.focal_px, 0, lens.width_px / 2], [0, lens.focal_px, lens.height_px / 2], [0, 0, 1]]
    )
    origin, east, north = (
        shifted[0],
        (shifted[1] - shifted[0]) / tile,
        (shifted[3] - shifted[0]) / tile,
    )
    warp = matrix @ np.stack((east, north, origin), axis=1)
    size = (lens.width_px, lens.height_px)
    laid = cv2.warpPerspective(
        fine, warp, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    rows = (np.arange(lens.height_px) - lens.horizon_px()) / lens.height_px
    strength = np.clip(rows * 2.2, 0, 1).astype(np.float32)[:, None]
    # Stains scale the ground's own light, so that they neither brighten nor colour it.
    for band in bands(lens.height_px):
        grainy = easel.picture[band].astype(np.float32)
        grainy *= (1 + laid[band] / 105 * strength[band])[:, :, None]
        first = max(0, int(lens.horizon_px()) - band.start)
        easel.picture[band][first:] = np.clip(grainy[first:], 0, 255).astype(np.uint8)


def paint_still_shadows(easel: Easel, world: World, light: Light) -> None:
    """Where houses, trees and lamps keep the sun from the street."""
    sun = light.sun_direction
    polygons = []
    for house in world.houses:
        if house.y_m[0] > ROAD_END_M or world.kind == "gate":
            continue
        dx, dy = -sun[0] / sun[2] * house.height_m, -sun[1] / sun[2] * house.height_m
        base = [(x, y) for x in house.x_m for y in house.y_m]
        moved = [(x + dx, y + dy) for x, y in base]
        hull = cv2.convexHull(np.array(base + moved, dtype=np.float32))[:, 0]
        polygons.append(np.column_stack((hull, np.zeros(len(hull)))).astype(np.float64))
    for x, y, size in world.trees:
        height = 3.9 * size
        angles = np.linspace(0, 2 * np.pi, 18, endpoint=False)
        reach = 1.7 * size * (1 + 0.12 * np.sin(5 * angles + x))
        middle = (x - sun[0] / sun[2] * height, y - sun[1] / sun[2] * height)
        crown = np.stack(
            (middle[0] + reach * np.cos(angles), middle[1] + reach * np.sin(angles), 0 * angles),
            axis=1,
        )
        trunk = np.array(
            [
                (x - 0.1, y, 0),
                (x + 0.1, y, 0),
                (middle[0] + 0.1, middle[1], 0),
                (middle[0] - 0.1, middle[1], 0),
            ]
        )
        polygons += [crown, trunk]
    for x, y in world.lamps:
        tip = (x - sun[0] / sun[2] * 6, y - sun[1] / sun[2] * 6)
        polygons.append(
            np.array(
                [
                    (x - 0.06, y, 0),
                    (x + 0.06, y, 0),
                    (tip[0] + 0.06, tip[1], 0),
                    (tip[0] - 0.06, tip[1], 0),
                ]
            )
        )
    easel.shade(polygons, light.shadow * 0.85, 3)
