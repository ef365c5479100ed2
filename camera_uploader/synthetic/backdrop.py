"""The still part of a scene: sky, ground, houses, trees and lamps, painted once per scene."""

# How often a thing occurs in a drawn world is a number of its own, named by what it decides.
# ruff: noqa: PLR2004

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np

from camera_uploader.synthetic.easel import Easel
from camera_uploader.synthetic.facades import facade
from camera_uploader.synthetic.furniture import paint_furniture
from camera_uploader.synthetic.ground import paint_ground, paint_still_shadows
from camera_uploader.synthetic.lens import Floats, Image
from camera_uploader.synthetic.screens import Screen
from camera_uploader.synthetic.weather import Light, Weather
from camera_uploader.synthetic.world import House, World

STRIP_M: Final = 3.0


def paint_backdrop(
    world: World, weather: Weather, light: Light, rng: np.random.Generator
) -> tuple[Image, list[Screen]]:
    """Return the picture of all that never moves, and the still things that can hide what does."""
    easel = Easel(world.lens, light)
    _sky(easel, weather, rng)
    paint_ground(easel, world, weather, rng)
    if not weather.overcast:
        paint_still_shadows(easel, world, light)
    easel.ground_depth()
    _restore_sky_depth(easel)
    eye = world.lens.eye_m
    for house in sorted(world.houses, key=lambda h: -_distance(h, eye)):
        _house(easel, house, rng)
    paint_furniture(easel, world, rng)
    picture, screens = easel.finish(night=weather.time == "night")
    return picture, screens


def _distance(house: House, eye: Floats) -> float:
    x = float(np.clip(eye[0], *house.x_m))
    y = float(np.clip(eye[1], *house.y_m))
    return math.hypot(x - eye[0], y - eye[1])


def _clouds(rng: np.random.Generator, size: tuple[int, int]) -> Floats:
    """(H, W) fractal noise in about -1..1, drawn out sideways as clouds are near the horizon."""
    total = np.zeros((size[1], size[0]))
    for octave in range(2, 7):
        cells = (2**octave, 2 ** (octave + 1))
        noise = rng.normal(0, 1, (cells[1], cells[0])).astype(np.float32)
        total += cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC) / 2 ** (octave - 2)
    return total / 1.6


def _sky(easel: Easel, weather: Weather, rng: np.random.Generator) -> None:
    lens = easel.lens
    zenith, low, cloud = {
        "day": ((206, 146, 84), (232, 212, 190), (248, 246, 244)),
        "dusk": ((128, 82, 64), (120, 158, 238), (150, 138, 190)),
        "night": ((34, 20, 14), (58, 42, 36), (52, 44, 42)),
    }[weather.time]
    if weather.rain or weather.fog_per_m > 0.008:
        grey = sum(low) / 3
        zenith, low = (grey * 0.72,) * 3, (grey * 0.9,) * 3  # type: ignore[assignment]
        cloud = (grey * 0.98,) * 3  # type: ignore[assignment]
    horizon = max(8, int(lens.horizon_px()) + 4)
    height = min(lens.height_px, horizon)
    rise = ((np.arange(height) / horizon) ** 1.6)[:, None, None]
    sky = np.array(zenith) * (1 - rise) + np.array(low) * rise
    sky = np.repeat(sky, lens.width_px, axis=1)
    small = (lens.width_px // 4, max(2, height // 4))
    cover = np.clip(_clouds(rng, small) * 0.5 + rng.uniform(-0.15, 0.3), 0, 1)
    wide = cv2.resize(cover, (lens.width_px, height), interpolation=cv2.INTER_LINEAR)[:, :, None]
    sky = sky * (1 - 0.85 * wide) + np.array(cloud) * 0.85 * wide
    easel.picture[:height] = np.clip(sky, 0, 255)
    if weather.time == "night" and not weather.overcast:
        for _ in range(60):
            at = (int(rng.integers(lens.width_px)), int(rng.integers(max(1, height))))
            cv2.circle(easel.picture, at, 1, (190, 190, 190), -1)
    _skyline(easel, horizon, weather, rng)


def _skyline(easel: Easel, horizon: int, weather: Weather, rng: np.random.Generator) -> None:
    """Far roofs behind the last house, pale with distance."""
    haze = easel.light.haze_bgr
    x = 0
    while x < easel.lens.width_px:
        width, height = int(rng.integers(60, 220)), int(rng.integers(40, 190))
        tone = np.array(easel.lit((150, 140, 136), (0, -1, 0))) * 0.35 + haze * rng.uniform(
            0.5, 0.62
        )
        cv2.rectangle(
            easel.picture,
            (x, horizon - height),
            (x + width, horizon + 6),
            np.clip(tone, 0, 255).tolist(),
            -1,
        )
        if weather.time == "night":
            for _ in range(int(rng.integers(2, 14))):
                at = (x + int(rng.integers(6, width)), horizon - int(rng.integers(4, height)))
                cv2.rectangle(easel.glow, at, (at[0] + 4, at[1] + 5), (70, 130, 170), -1)
        x += width


def _restore_sky_depth(easel: Easel) -> None:
    horizon = int(np.clip(easel.lens.horizon_px(), 0, easel.lens.height_px))
    easel.depth[:horizon] = 400.0


def _house(easel: Easel, house: House, rng: np.random.Generator) -> None:
    """Paint the fronts that can be seen, in strips, so that depth and near ends work out."""
    eye = easel.lens.eye_m
    (x0, x1), (y0, y1) = house.x_m, house.y_m
    sides: list[tuple[tuple[float, float], tuple[float, float], tuple[float, float, float]]] = []
    if eye[1] < y0:
        sides.append(((x0, y0), (x1, y0), (0, -1, 0)))
    if eye[0] < x0:
        sides.append(((x0, y1), (x0, y0), (-1, 0, 0)))
    elif eye[0] > x1:
        sides.append(((x1, y0), (x1, y1), (1, 0, 0)))
    for start, end, normal in sides:
        length = math.hypot(end[0] - start[0], end[1] - start[1])
        # A row of houses rather than one endless front.
        parts = max(1, round(length / 16))
        front, glow = facade(rng, house.style, length / parts, house.height_m)
        front, glow = np.tile(front, (1, parts, 1)), np.tile(glow, (1, parts, 1))
        strips = max(1, math.ceil(length / STRIP_M))
        for index in range(strips):
            a, b = index / strips, (index + 1) / strips
            left = [start[0] + (end[0] - start[0]) * a, start[1] + (end[1] - start[1]) * a]
            right = [start[0] + (end[0] - start[0]) * b, start[1] + (end[1] - start[1]) * b]
            corners = np.array(
                [(*left, house.height_m), (*right, house.height_m), (*right, 0.0), (*left, 0.0)]
            )
            columns = slice(
                int(a * front.shape[1]), max(int(a * front.shape[1]) + 4, int(b * front.shape[1]))
            )
            easel.texture(corners, front[:, columns], glow[:, columns], normal)
