"""Licence plates: the text, the picture of it, and how it is laid onto a bumper."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import cv2
import numpy as np

from camera_uploader.synthetic.lens import Floats, Image

PLATE_WIDTH_M: Final = 0.52
PLATE_HEIGHT_M: Final = 0.13

LETTERS: Final = "ABCDEFGHJKLMNPRSTUVWXYZ"
"""Without I, O and Q, which plates avoid because they read like digits."""

_TEXTURE_PX: Final = (260, 65)
MIN_PX: Final = 2


def plate_text(rng: np.random.Generator) -> str:
    """Return a random registration: two letters, three digits, two letters."""
    letters = "".join(rng.choice(list(LETTERS), 4))
    return f"{letters[:2]}{rng.integers(100, 1000)}{letters[2:]}"


@lru_cache(maxsize=256)
def plate_picture(text: str, *, yellow: bool) -> Image:
    """(65, 260, 3) BGR picture of a plate, flat and evenly lit. Do not write to it: it is cached.

    White with a blue band on the left, or yellow as on the rear of some vehicles.
    """
    width, height = _TEXTURE_PX
    ground = (92, 214, 248) if yellow else (244, 247, 247)
    picture = np.full((height, width, 3), ground, dtype=np.uint8)
    cv2.rectangle(picture, (0, 0), (26, height), (160, 62, 20), -1)
    cv2.circle(picture, (13, 20), 7, (40, 205, 250), 1, cv2.LINE_AA)
    spaced = f"{text[:2]} {text[2:5]} {text[5:]}"
    (text_width, text_height), _ = cv2.getTextSize(spaced, cv2.FONT_HERSHEY_DUPLEX, 1.0, 3)
    ink = np.full((text_height + 12, text_width + 8, 3), ground, dtype=np.uint8)
    origin = (4, text_height + 5)
    cv2.putText(ink, spaced, origin, cv2.FONT_HERSHEY_DUPLEX, 1.0, (28, 24, 22), 3, cv2.LINE_AA)
    room = (width - 26 - 14, height - 16)
    picture[8 : 8 + room[1], 34 : 34 + room[0]] = cv2.resize(
        ink, room, interpolation=cv2.INTER_AREA
    )
    cv2.rectangle(picture, (1, 1), (width - 2, height - 2), (40, 36, 34), 2, cv2.LINE_AA)
    picture.setflags(write=False)
    return picture


def lay_plate(
    picture: Image, texture: Image, corners_px: Floats, factors_bgr: Floats, haze: Floats
) -> None:
    """Lays `texture` onto the four corners (4, 2): left top, right top, right bottom, left bottom.

    Colours become texture * `factors_bgr` + `haze` (both (3,)). Parts outside the picture are left
    out.
    """
    height, width = picture.shape[:2]
    left, top = np.maximum(np.floor(corners_px.min(axis=0)).astype(int) - 1, 0)
    right, bottom = np.ceil(corners_px.max(axis=0)).astype(int) + 2
    right, bottom = min(right, width), min(bottom, height)
    if min(right - left, bottom - top) < MIN_PX:
        return
    # Shrink first: warping straight from the large texture would skip pixels and sparkle.
    wide_px = float(np.linalg.norm(corners_px[1] - corners_px[0]))
    high_px = float(np.linalg.norm(corners_px[3] - corners_px[0]))
    size = (
        int(np.clip(wide_px * 1.3, 8, texture.shape[1])),
        int(np.clip(high_px * 1.3, 4, texture.shape[0])),
    )
    small = cv2.resize(texture, size, interpolation=cv2.INTER_AREA)
    lit = np.clip(small * factors_bgr + haze, 0, 255).astype(np.uint8)
    source = np.array([(0, 0), (size[0], 0), size, (0, size[1])], dtype=np.float32) - 0.5
    target = (corners_px - (left, top)).astype(np.float32)
    warp = cv2.getPerspectiveTransform(source, target)
    box = (int(right - left), int(bottom - top))
    laid = cv2.warpPerspective(
        lit, warp, box, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    mask = np.zeros((box[1], box[0]), dtype=np.uint8)
    cv2.fillConvexPoly(mask, np.round(target * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    share = (mask.astype(np.float32) / 255)[:, :, None]
    region = picture[top:bottom, left:right]
    region[:] = np.rint(region * (1 - share) + laid * share).astype(np.uint8)
