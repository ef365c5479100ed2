"""What light and weather add to a frame: shadows, lamps and their glare, rain, sensor noise."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from camera_uploader.synthetic.lens import Floats, Image, Lens
from camera_uploader.synthetic.traffic import Actor
from camera_uploader.synthetic.weather import Light, Weather

Box = tuple[float, float, float, float]

SHRINK: Final = 4
MARGIN_PX: Final = 64
"""By how much textures of rain and noise are larger than the frame, to start anywhere in it."""
NEAR_M: Final = 1.0
LAMP_COSINE: Final = 0.05
MIN_SHADOW_PX: Final = 3


class Effects:
    """The effects of one scene; textures of rain and noise are made once."""

    def __init__(
        self, weather: Weather, light: Light, lens: Lens, rng: np.random.Generator
    ) -> None:
        self._weather, self._light, self._lens = weather, light, lens
        shape = (lens.height_px + MARGIN_PX, lens.width_px + MARGIN_PX)
        self._rain = _streaks(rng, shape, night=weather.time == "night") if weather.rain else None
        self._noise: Image | None = None
        if weather.noise > 0:
            grain = rng.normal(0, weather.noise, (*shape, 1)) + rng.normal(
                0, weather.noise * 0.5, (*shape, 3)
            )
            self._noise = np.clip(grain + 128, 0, 255).astype(np.uint8)
        small = (-(-lens.height_px // SHRINK), -(-lens.width_px // SHRINK), 3)
        self._glow: Image = np.zeros(small, dtype=np.uint8)
        self._lit = False

    def shadow(self, picture: Image, points: Floats) -> Box | None:
        """Darken the ground under a thing, and beside it in sunshine.

        `points` (N, 3) are its corners in the world. Returns the pixels it may have touched.
        """
        sun = self._light.sun_direction
        reach = 0.0 if self._weather.overcast else 1.0
        ground = points[:, :2] - sun[:2] / sun[2] * points[:, 2:3] * reach
        hull = cv2.convexHull(ground.astype(np.float32))[:, 0]
        flat = np.zeros((len(hull), 3))
        flat[:, :2] = hull
        outline = self._lens.outline(flat)
        if outline is None:
            return None
        soft = 1.0 if reach else 2.5
        strength = self._light.shadow * (1.0 if reach else 0.9)
        return _darken(picture, outline, strength, soft)

    def cover(self, outline_px: Floats) -> None:
        """Something is painted inside the hull of `outline_px`: lamps behind it no longer glare."""
        if self._lit:
            hull = cv2.convexHull((np.clip(outline_px, -8e3, 8e3) / SHRINK).astype(np.int32))
            cv2.fillConvexPoly(self._glow, hull, (0, 0, 0))

    def collect(self, actor: Actor) -> None:
        """Note the lamps of an actor for `apply`; nothing by fair daylight."""
        if not actor.body.lamps or not self._light.headlights:
            return
        dark = {"day": 0.25, "dusk": 0.55, "night": 1.0}[self._weather.time]
        self._lit = True
        places = actor.pose.to_world(np.array([lamp.place for lamp in actor.body.lamps]))
        xy_px, depths = self._lens.project(places)
        for lamp, place, xy, depth in zip(
            actor.body.lamps, places, xy_px / SHRINK, depths, strict=True
        ):
            direction = np.array(actor.pose.heading) * (1 if lamp.ahead else -1)
            towards = self._lens.eye_m[:2] - place[:2]
            cosine = float(direction @ towards) / max(float(np.hypot(*towards)), 1e-6)
            if depth < NEAR_M or cosine < LAMP_COSINE:
                continue
            strength = dark * (0.4 + 0.6 * cosine) * (1.0 if lamp.ahead or actor.braking else 0.55)
            bgr = tuple(channel * strength for channel in lamp.bgr)
            radius = max(1, round(0.2 * self._lens.focal_px / SHRINK / depth))
            centre = (_bounded(xy[0]), _bounded(xy[1]))
            cv2.circle(self._glow, centre, radius, bgr, -1, cv2.LINE_AA)
            if self._weather.rain:
                # A wet road mirrors the lamp as far below the ground as it is above.
                mirrored = (
                    self._lens.project(np.array([[place[0], place[1], -place[2]]]))[0][0] / SHRINK
                )
                low = (centre[0], _bounded(mirrored[1] + 3 * radius))
                faint = tuple(channel * 0.35 for channel in bgr)
                cv2.line(self._glow, centre, low, faint, max(1, radius), cv2.LINE_AA)
        if self._weather.time != "day":
            self._beam(actor, dark)

    def _beam(self, actor: Actor, strength: float) -> None:
        """Add the pool of light on the road ahead."""
        nose, half = actor.body.length_m / 2, actor.body.width_m / 2
        for reach, wide, share in ((15.0, 2.6, 0.09), (10.0, 1.9, 0.11), (6.0, 1.3, 0.13)):
            local = np.array(
                [
                    (nose + 0.4, -half * 0.7, 0),
                    (nose + 0.4, half * 0.7, 0),
                    (nose + reach, half * wide, 0),
                    (nose + reach, -half * wide, 0),
                ]
            )
            outline = self._lens.outline(actor.pose.to_world(local))
            if outline is None:
                continue
            points = np.round(np.clip(outline / SHRINK, -4000, 4000)).astype(np.int32)
            x, y, width, height = cv2.boundingRect(points)
            x0, y0 = max(x, 0), max(y, 0)
            x1, y1 = min(x + width, self._glow.shape[1]), min(y + height, self._glow.shape[0])
            if x1 <= x0 or y1 <= y0:
                continue
            layer = np.zeros((y1 - y0, x1 - x0, 3), dtype=np.uint8)
            tone = tuple(channel * share * strength * 0.55 for channel in (150, 190, 215))
            cv2.fillPoly(layer, [points - (x0, y0)], tone)
            region = self._glow[y0:y1, x0:x1]
            cv2.add(region, layer, dst=region)

    def apply(self, picture: Image, seed: int, at_s: float) -> None:
        """Add glare, rain and noise to a finished frame, in place."""
        height, width = picture.shape[:2]
        if self._lit:
            sharp = cv2.GaussianBlur(self._glow, (0, 0), 1.2)
            wide = _wide_blur(self._glow)
            glare = cv2.addWeighted(sharp, 0.75, wide, 0.85, 0)
            cv2.add(
                picture,
                cv2.resize(glare, (width, height), interpolation=cv2.INTER_LINEAR),
                dst=picture,
            )
            self._glow[:] = 0
            self._lit = False
        if self._rain is None and self._noise is None:
            return
        rng = np.random.default_rng((seed, round(at_s * 1000) & 0xFFFFFFFF))
        for texture, shift in ((self._rain, 0), (self._noise, -128)):
            if texture is None:
                continue
            x, y = rng.integers(0, MARGIN_PX, 2)
            part = texture[y : y + height, x : x + width]
            cv2.addWeighted(picture, 1.0, part, 1.0, shift, dst=picture)


def _wide_blur(picture: Image) -> Image:
    """Return a blur of about 7 pixels, at a sixteenth of the cost by way of a smaller picture."""
    size = (picture.shape[1], picture.shape[0])
    small = cv2.resize(picture, (size[0] // 4, size[1] // 4), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), 1.7)
    return np.asarray(cv2.resize(blurred, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def _bounded(coordinate: float) -> int:
    """Return a coordinate that OpenCV can draw at, however far outside the picture."""
    return int(min(max(coordinate, -500.0), 5000.0))


def _darken(picture: Image, outline: Floats, strength: float, soft: float) -> Box | None:
    """Multiplies the inside of a polygon by 1 - strength, with a blurred edge."""
    height, width = picture.shape[:2]
    pad = 8
    low = np.clip(np.floor(outline.min(axis=0)) - pad, 0, (width, height)).astype(int)
    high = np.clip(np.ceil(outline.max(axis=0)) + pad, 0, (width, height)).astype(int)
    size = high - low
    if size.min() < MIN_SHADOW_PX:
        return None
    mask = np.zeros((size[1], size[0]), dtype=np.uint8)
    points = np.round(np.clip(outline - low, -2e4, 2e4) * 16).astype(np.int32)
    cv2.fillPoly(mask, [points], 255 * strength, cv2.LINE_AA, 4)
    mask = cv2.blur(mask, (int(3 * soft) | 1, int(2 * soft) | 1))
    keep = cv2.cvtColor(cv2.bitwise_not(mask), cv2.COLOR_GRAY2BGR)
    region = picture[low[1] : high[1], low[0] : high[0]]
    cv2.multiply(region, keep, dst=region, scale=1 / 255)
    return (float(low[0]), float(low[1]), float(high[0]), float(high[1]))


def _streaks(rng: np.random.Generator, shape: tuple[int, int], *, night: bool) -> Image:
    """(H, W, 3) falling rain as thin slanted lines."""
    layer = np.zeros(shape, dtype=np.uint8)
    slant = float(rng.uniform(-0.2, 0.2))
    for _ in range(int(shape[0] * shape[1] / 900)):
        x, y = rng.uniform(0, shape[1]), rng.uniform(0, shape[0])
        length = rng.uniform(8, 34) * shape[1] / 1344
        tone = rng.uniform(14, 46) * (0.7 if night else 1.0)
        end = (round(x + slant * length), round(y + length))
        cv2.line(layer, (round(x), round(y)), end, tone, 1, cv2.LINE_AA)
    return np.repeat(cv2.GaussianBlur(layer, (3, 3), 0.6)[:, :, None], 3, axis=2)
