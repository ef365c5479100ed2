"""A scene over time: `Scene(kind, seed).frame(at_s)` is a picture and the truth about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from camera_uploader.synthetic.backdrop import paint_backdrop
from camera_uploader.synthetic.bodies import Plate
from camera_uploader.synthetic.brush import SUBPIXEL_BITS, SUBPIXELS, Air, Placed, paint
from camera_uploader.synthetic.effects import Box, Effects
from camera_uploader.synthetic.gates import build_gate
from camera_uploader.synthetic.labels import Truth
from camera_uploader.synthetic.lens import Image
from camera_uploader.synthetic.order import back_to_front
from camera_uploader.synthetic.plates import lay_plate, plate_picture
from camera_uploader.synthetic.screens import Screen
from camera_uploader.synthetic.sight import Sight
from camera_uploader.synthetic.streets import build_street
from camera_uploader.synthetic.traffic import Actor, Traffic
from camera_uploader.synthetic.weather import Light, Weather
from camera_uploader.synthetic.world import SceneKind, drawn_layout

READABLE_PX: Final = 22.0
"""A plate less wide than this is painted in one colour: nobody could tell."""
PLATE_COSINE: Final = 0.15
"""Plates seen at a flatter angle than about 81 degrees are not painted."""


@dataclass(frozen=True)
class _Shown:
    actor: Actor
    placed: Placed
    box_px: Box


class Scene:
    """A place with a camera, seeded: the same arguments and moment give the same bytes.

    Making a scene paints its background once, which takes about a second; a frame after that costs
    a few milliseconds. Moments may be asked for in any order.

    Attributes:
        world: The place.
        weather: Light and weather, the same for the scene's whole life.
    """

    def __init__(
        self,
        kind: SceneKind,
        seed: int,
        width_px: int = 1280,
        height_px: int = 720,
        *,
        weather: Weather | None = None,
        layout: str | None = None,
    ) -> None:
        """Build the scene; `weather` and `layout` are drawn from the seed where not given."""
        rng = np.random.default_rng((seed, 0 if kind == "street" else 1))
        drawn = drawn_layout(kind, rng)
        drawn_weather = Weather.drawn(rng)
        sun_deg = float(rng.uniform(0, 360))
        self.kind: Final = kind
        self.seed: Final = seed
        self.weather: Final = weather or drawn_weather
        build = build_street if kind == "street" else build_gate
        self.world: Final = build(layout or drawn, rng, width_px, height_px)
        lamps = np.array([(x * 0.86, y, 6.0) for x, y in self.world.lamps]).reshape(-1, 3)
        self.light: Final = Light.of(self.weather, sun_deg, lamps)
        self._lens = self.world.lens
        self._backdrop, self._screens = paint_backdrop(self.world, self.weather, self.light, rng)
        self._traffic = Traffic(self.world, seed, rain=self.weather.rain)
        self._effects = Effects(self.weather, self.light, self._lens, rng)

    def frame(self, at_s: float) -> tuple[Image, list[Truth]]:
        """Return the picture `at_s` seconds into the scene's life, and what is truly in it.

        Returns:
            (H, W, 3) uint8 BGR, and one `Truth` for each object that can be made out.
        """
        picture, sight = self._painted(at_s)
        return picture, sight.truths()

    def frame_and_unclear(self, at_s: float) -> tuple[Image, list[Truth], list[Truth]]:
        """Return what `frame` does, and the objects too small or too hidden to be made out.

        Whoever measures a detector needs them: finding one of those is no error.
        """
        picture, sight = self._painted(at_s)
        return picture, sight.truths(), sight.unclear()

    def _painted(self, at_s: float) -> tuple[Image, Sight]:
        """Paint everything, far to near."""
        picture = self._backdrop.copy()
        shown = self._shown(at_s)
        # A rider's shadow is the cycle's.
        throwing = [one.placed.points_m for one in shown if not one.actor.key[2]]
        shadows = [self._effects.shadow(picture, points_m) for points_m in throwing]
        painted = [box for box in shadows if box is not None]
        sight = Sight(self._lens)
        rectangles = [*(_footprint(one.actor) for one in shown), *(_base(s) for s in self._screens)]
        for index in back_to_front(np.array(rectangles).reshape(-1, 4), self._lens.eye_m):
            if index < len(shown):
                self._paint(picture, sight, shown[index])
                painted.append(shown[index].box_px)
            else:
                screen = self._screens[index - len(shown)]
                touched = [box for box in painted if _overlap(screen.box_px, box)]
                if touched:
                    _restore(picture, screen, touched)
                    sight.hide(screen)
        self._effects.apply(picture, self.seed, at_s)
        return picture, sight

    def _shown(self, at_s: float) -> list[_Shown]:
        """Everyone in the picture, projected."""
        whole = (0.0, 0.0, float(self._lens.width_px), float(self._lens.height_px))
        shown: list[_Shown] = []
        for actor in self._traffic.at(at_s):
            placed = Placed.seen(actor.body.mesh, actor.pose, self._lens)
            if placed is None:
                continue
            (x0, y0), (x1, y1) = placed.xy_px.min(axis=0), placed.xy_px.max(axis=0)
            box = (float(x0), float(y0), float(x1), float(y1))
            if _overlap(box, whole):
                shown.append(_Shown(actor, placed, box))
        return shown

    def _paint(self, picture: Image, sight: Sight, one: _Shown) -> None:
        actor = one.actor
        paint(picture, self._lens, self.light, one.placed)
        outline = one.placed.outline_px(self._lens.focal_px)
        sight.cover(actor.body.class_name, actor.key, outline)
        self._effects.cover(outline)
        for plate in actor.body.plates:
            self._paint_plate(picture, sight, actor, plate)
        self._effects.collect(actor)

    def _paint_plate(self, picture: Image, sight: Sight, actor: Actor, plate: Plate) -> None:
        corners = actor.pose.to_world(np.array(plate.corners))
        outwards = np.array((*actor.pose.heading, 0.0)) * np.sign(plate.corners[0][0])
        towards = self._lens.eye_m - corners.mean(axis=0)
        cosine = float(outwards @ towards) / float(np.linalg.norm(towards))
        if cosine < PLATE_COSINE:
            return
        corners_px, depths_m = self._lens.project(corners)
        air = Air(self.light.clearness(float(depths_m[0])), self.light.haze_bgr)
        # Plates reflect: by night they are the brightest part of a rear.
        own, glow = np.full((1, 3), 255.0), np.array([0.3 * self.light.headlights])
        lit = self.light.lit(own, outwards[None], glow, corners[0])[0] / 255 * air.clear
        haze = air.haze_bgr * (1 - air.clear)
        if np.linalg.norm(corners_px[1] - corners_px[0]) < READABLE_PX:
            points = np.round(corners_px * SUBPIXELS).astype(np.int32)
            bgr = (plate.mean_bgr * lit + haze).tolist()
            cv2.fillConvexPoly(picture, points, bgr, cv2.LINE_AA, SUBPIXEL_BITS)
            return
        texture = plate_picture(plate.text, yellow=plate.yellow)
        lay_plate(picture, texture, corners_px, lit, haze)
        sight.cover("license_plate", (*actor.key[:2], "plate"), corners_px, text=plate.text)


def _footprint(actor: Actor) -> Box:
    """Return (x_min, y_min, x_max, y_max) on the map; headings are along the axes."""
    along, across = actor.body.length_m / 2, actor.body.width_m / 2
    along_x = actor.pose.heading[0] != 0.0
    half_x, half_y = (along, across) if along_x else (across, along)
    x, y = actor.pose.place_m
    return (x - half_x, y - half_y, x + half_x, y + half_y)


def _base(screen: Screen) -> Box:
    (x, y), half = screen.place_m, screen.half_m
    return (x - half, y - half, x + half, y + half)


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _restore(picture: Image, screen: Screen, touched: list[Box]) -> None:
    """Put a still thing back in front of what was painted inside the `touched` boxes."""
    left, top, right, bottom = screen.box_px
    x0 = max(left, int(min(box[0] for box in touched)) - 2)
    y0 = max(top, int(min(box[1] for box in touched)) - 2)
    x1 = min(right, int(max(box[2] for box in touched)) + 3)
    y1 = min(bottom, int(max(box[3] for box in touched)) + 3)
    region = picture[y0:y1, x0:x1]
    part = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    share = screen.share[part]
    region[:] = cv2.blendLinear(region, screen.picture[part], 1 - share, share)
