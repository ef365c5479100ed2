"""Light and weather: how bright a face is, what fog makes of it, and what the sensor adds."""

# How often a thing occurs in a drawn world is a number of its own, named by what it decides.
# ruff: noqa: PLR2004

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from camera_uploader.synthetic.lens import Floats

DayTime = Literal["day", "dusk", "night"]


@dataclass(frozen=True, slots=True)
class Weather:
    """What the day is like, the same for the whole life of a scene.

    Attributes:
        time: The light.
        rain: Whether it rains: streaks, a dark wet road, no hard shadows.
        fog_per_m: Extinction: after 1 / fog_per_m metres 63 % of the picture is fog. Clear air
            is about 0.002.
        noise: Standard deviation of the sensor's noise in grey levels of 0..255.
    """

    time: DayTime = "day"
    rain: bool = False
    fog_per_m: float = 0.002
    noise: float = 0.0

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Weather:
        """Return a random day: half of them fair, the others dark, wet, foggy or grainy."""
        time: DayTime = rng.choice(("day", "dusk", "night"), p=(0.55, 0.2, 0.25))
        rain = bool(rng.random() < 0.2)
        fog_per_m = 0.002 + (rng.random() < 0.18) * rng.uniform(0.008, 0.02) + 0.004 * rain
        grain = rng.uniform(2.0, 4.0) if time == "night" else 0.0
        noise = grain + (rng.random() < 0.2) * rng.uniform(2.0, 8.0)
        return cls(time, rain, float(fog_per_m), float(noise))

    @property
    def overcast(self) -> bool:
        """Whether the sun is hidden, so that nothing throws a hard shadow."""
        return self.rain or self.fog_per_m > 0.008 or self.time == "night"


@dataclass(frozen=True)
class Light:
    """The light of one scene; colours are BGR factors of a surface's own colour.

    Attributes:
        sun_direction: (3,) unit vector from the ground to the sun.
        sun_bgr, sky_bgr: (3,) what the sun and the whole sky add.
        haze_bgr: (3,) colour in 0..255 that far things fade into.
        fog_per_m: See `Weather`.
        shadow: Darkness of a shadow on the ground, 0..1.
        lamps_m: (N, 3) street lamps that are lit.
        headlights: Whether vehicles drive with lights.
    """

    sun_direction: Floats
    sun_bgr: Floats
    sky_bgr: Floats
    haze_bgr: Floats
    fog_per_m: float
    shadow: float
    lamps_m: Floats
    headlights: bool

    @classmethod
    def of(cls, weather: Weather, sun_deg: float, lamps_m: Floats) -> Light:
        """Return the light of a day whose sun stands in the compass direction `sun_deg`."""
        height = {"day": 0.95, "dusk": 0.42, "night": 0.8}[weather.time]
        sun = np.array([math.cos(math.radians(sun_deg)), math.sin(math.radians(sun_deg)), height])
        sun_bgr, sky_bgr, haze_bgr = (np.array(bgr) for bgr in PALETTES[weather.time])
        if weather.overcast and weather.time != "night":
            sky_bgr = sky_bgr * 1.12 + sun_bgr * 0.18
            sun_bgr = sun_bgr * 0.18
            grey = haze_bgr.mean()
            haze_bgr = haze_bgr * 0.3 + grey * 0.62
        shadow = {"day": 0.42, "dusk": 0.38, "night": 0.45}[weather.time]
        return cls(
            sun_direction=sun / np.linalg.norm(sun),
            sun_bgr=sun_bgr,
            sky_bgr=sky_bgr,
            haze_bgr=haze_bgr,
            fog_per_m=weather.fog_per_m,
            shadow=shadow * (0.6 if weather.overcast else 1.0),
            lamps_m=lamps_m if weather.time != "day" else lamps_m[:0],
            headlights=weather.time != "day" or weather.overcast,
        )

    def lit(self, bgr: Floats, normals: Floats, glow: Floats, place_m: Floats) -> Floats:
        """(F, 3) colours of faces at a place: own colour `bgr` (F, 3), normals (F, 3).

        `glow` (F,) in 0..1 is the share of its own colour that a face shines out by itself.
        """
        sun = np.maximum(normals @ self.sun_direction, 0.0)
        sky = 0.72 + 0.28 * normals[:, 2]
        factors = sun[:, None] * self.sun_bgr + sky[:, None] * self.sky_bgr
        factors += self.lamp_light(place_m) * (0.55 + 0.45 * normals[:, 2:3]) * LAMP_BGR
        factors += (1.0 - factors) * glow[:, None]
        return np.minimum(bgr * np.minimum(factors, 1.3), 250.0)

    def lamp_light(self, place_m: Floats) -> float:
        """How much street lamps add at a place on the ground, 0 to about 1."""
        if not len(self.lamps_m):
            return 0.0
        squares = ((self.lamps_m[:, :2] - place_m[:2]) ** 2).sum(axis=1)
        return float(min(1.0, np.exp(-squares / 90.0).sum()))

    def clearness(self, depth_m: float) -> float:
        """Share of a thing's colour that arrives through `depth_m` of air, 0..1."""
        return math.exp(-self.fog_per_m * depth_m)


PALETTES: Final = {
    "day": ((0.50, 0.56, 0.60), (0.80, 0.72, 0.68), (222.0, 206.0, 190.0)),
    "dusk": ((0.16, 0.38, 0.72), (0.58, 0.46, 0.46), (150.0, 150.0, 205.0)),
    "night": ((0.03, 0.03, 0.025), (0.24, 0.18, 0.16), (52.0, 38.0, 32.0)),
}
"""Sun, sky and haze (BGR) by the time of day, set by eye against photographs of a street."""

LAMP_BGR: Final = np.array([0.36, 0.62, 0.86])
"""Warm white street lamps, about 3000 K."""
