"""House fronts as flat pictures: what is built, and what of it shines at night."""

# How often a thing occurs in a drawn world is a number of its own, named by what it decides.
# ruff: noqa: PLR2004

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from camera_uploader.synthetic.lens import Image
from camera_uploader.synthetic.mesh import Bgr, toned

PX_PER_M: Final = 36
WALLS: Final[dict[str, tuple[Bgr, ...]]] = {
    "brick": ((74, 92, 150), (66, 78, 126), (96, 118, 160), (80, 100, 128)),
    "plaster": (
        (176, 206, 222),
        (196, 204, 206),
        (170, 186, 214),
        (196, 196, 178),
        (168, 190, 190),
    ),
    "stone": ((150, 162, 170), (132, 142, 150), (168, 176, 178)),
    "office": ((130, 120, 108), (112, 104, 98)),
    "shed": ((168, 160, 150), (140, 150, 150), (150, 132, 112)),
}
SHOPS: Final[tuple[Bgr, ...]] = (
    (70, 110, 60), (150, 90, 40), (50, 50, 150), (40, 130, 200), (90, 60, 110), (60, 60, 62),
)  # fmt: skip
LIT: Final[tuple[Bgr, ...]] = ((96, 176, 236), (120, 200, 246), (150, 214, 240), (190, 210, 214))


def facade(
    rng: np.random.Generator, style: str, width_m: float, height_m: float
) -> tuple[Image, Image]:
    """Return a front: (H, W, 3) BGR by daylight, and what of it shines at night."""
    size = (int(height_m * PX_PER_M), int(width_m * PX_PER_M))
    wall = WALLS[style][int(rng.integers(len(WALLS[style])))]
    front = _wall(rng, style, size, wall)
    glow = np.zeros_like(front)
    if style == "shed":
        _roller_doors(rng, front, glow)
        return front, glow
    storey, bay = (3.1, 2.4) if style != "office" else (3.3, 1.7)
    ground_m = 3.9
    floors = int((height_m - ground_m - 0.6) / storey)
    bays = max(1, int(width_m / bay))
    balcony = style == "plaster" and rng.random() < 0.5
    for floor in range(floors):
        top = size[0] - int((ground_m + (floor + 1) * storey - 0.55) * PX_PER_M)
        for index in range(bays):
            left = int((index + 0.5) * size[1] / bays - bay * 0.26 * PX_PER_M)
            width = int(bay * (0.52 if style != "office" else 0.86) * PX_PER_M)
            if style == "office":
                left = int((index + 0.06) * size[1] / bays)
            height = int((1.7 if style != "office" else 2.2) * PX_PER_M)
            _window(rng, (front, glow), (left, top, width, height), wall, style)
            if balcony and index % 3 == 1:
                _balcony(front, (left, top, width, height))
    _shop(rng, front, glow, int(ground_m * PX_PER_M), wall)
    shade = toned(wall, 0.75)
    cv2.rectangle(front, (0, 0), (size[1], int(0.28 * PX_PER_M)), shade, -1)
    cv2.rectangle(
        front, (0, int(0.28 * PX_PER_M)), (size[1], int(0.4 * PX_PER_M)), (60, 58, 58), -1
    )
    edge = np.linspace(0.86, 1.04, size[1] // 12 + 1)
    front[:, : len(edge)] = (front[:, : len(edge)] * edge[None, :, None]).clip(0, 255)
    return front, glow


def _wall(rng: np.random.Generator, style: str, size: tuple[int, int], wall: Bgr) -> Image:
    height, width = size
    front = np.empty((height, width, 3), dtype=np.float32)
    front[:] = wall
    if style == "brick":
        rows = np.arange(height)[:, None] // 3
        bricks = rng.normal(1.0, 0.07, (height // 3 + 1, width // 8 + 2))
        columns = (np.arange(width)[None, :] + (rows % 2) * 4) // 8
        front *= bricks[rows, columns][:, :, None]
    elif style == "shed":
        ribs = 0.93 + 0.1 * (np.arange(width) % 10 < 6)
        front *= ribs[None, :, None]
    elif style == "stone":
        front *= 1 - 0.12 * (np.arange(height) % 22 < 2)[:, None, None]
    stains = cv2.resize(
        rng.normal(1.0, 0.05, (max(2, height // 50), max(2, width // 50))).astype(np.float32),
        (width, height), interpolation=cv2.INTER_CUBIC,
    )  # fmt: skip
    front *= stains[:, :, None]
    # Walls are a little darker towards the street.
    front *= np.linspace(1.04, 0.9, height, dtype=np.float32)[:, None, None]
    return np.clip(front, 0, 255).astype(np.uint8)


def _window(
    rng: np.random.Generator,
    pictures: tuple[Image, Image],
    box: tuple[int, int, int, int],
    wall: Bgr,
    style: str,
) -> None:
    (front, glow), (x, y, width, height) = pictures, box
    frame: Bgr = (214, 216, 216) if style != "office" else (70, 66, 62)
    if style != "office":
        cv2.rectangle(
            front,
            (x - 4, y - 4),
            (x + width + 4, y + height + 4),
            toned(wall, 0.82),
            -1,
        )
    cv2.rectangle(front, (x - 2, y - 2), (x + width + 1, y + height + 1), frame, -1)
    glass = np.linspace(rng.uniform(0.9, 1.35), 0.6, height)[:, None]
    tint = np.array((112, 92, 74)) * rng.uniform(0.7, 1.2)
    pane = np.repeat((glass * tint)[:, None, :], width, axis=1)
    if rng.random() < 0.35:
        drawn = int(width * rng.uniform(0.2, 0.5))
        pane[:, :drawn] = (188, 196, 200)
    region = front[y : y + height, x : x + width]
    region[:] = np.clip(pane[: region.shape[0], : region.shape[1]], 0, 255)
    if style != "office":
        cv2.line(front, (x + width // 2, y), (x + width // 2, y + height), frame, 2)
        cv2.line(front, (x, y + height // 3), (x + width, y + height // 3), frame, 2)
        cv2.rectangle(
            front, (x - 6, y + height + 2), (x + width + 6, y + height + 6), (196, 198, 198), -1
        )
    if rng.random() < 0.3:
        shine = np.array(LIT[int(rng.integers(len(LIT)))]) * rng.uniform(0.45, 0.95)
        glow[y : y + height, x : x + width] = np.minimum(shine, 255)
        if style != "office":
            cv2.line(glow, (x + width // 2, y), (x + width // 2, y + height), (8, 10, 14), 2)
            cv2.line(glow, (x, y + height // 3), (x + width, y + height // 3), (8, 10, 14), 2)


def _balcony(front: Image, box: tuple[int, int, int, int]) -> None:
    x, y, width, height = box
    low = y + height + 8
    cv2.rectangle(front, (x - 14, low), (x + width + 14, low + 6), (120, 120, 120), -1)
    for at in range(x - 14, x + width + 15, 7):
        cv2.line(front, (at, low - 32), (at, low), (64, 62, 60), 1)
    cv2.line(front, (x - 14, low - 32), (x + width + 14, low - 32), (54, 52, 50), 2)


def _shop(rng: np.random.Generator, front: Image, glow: Image, high: int, wall: Bgr) -> None:
    """Paint the ground floor: doors, display windows, an awning or a sign."""
    height, width = front.shape[:2]
    top = height - high
    cv2.rectangle(front, (0, top), (width, height), toned(wall, 0.62), -1)
    count = max(1, width // (5 * PX_PER_M))
    each = width // count
    for index in range(count):
        left, colour = index * each + 8, SHOPS[int(rng.integers(len(SHOPS)))]
        right = left + each - 16
        sign = top + int(0.95 * PX_PER_M)
        cv2.rectangle(front, (left, top + 12), (right, sign), colour, -1)
        _lettering(rng, front, glow, (left, top + 12, right, sign))
        door = left + int(1.1 * PX_PER_M)
        base = height - int(0.45 * PX_PER_M)
        warm = np.array(LIT[int(rng.integers(len(LIT)))]) * rng.uniform(0.5, 1.0)
        lights: list[float] = warm.tolist()
        for x0, x1, y1 in ((left, door - 5, height - 4), (door, right, base)):
            cv2.rectangle(front, (x0, sign + 10), (x1, y1), (60, 54, 50), -1)
            cv2.line(front, (x0, sign + 14), (x1, sign + 14), (112, 104, 96), 3)
            cv2.rectangle(front, (x0, sign + 10), (x1, y1), (150, 150, 148), 2)
            if rng.random() < 0.75:
                cv2.rectangle(glow, (x0 + 2, sign + 12), (x1 - 2, y1 - 2), lights, -1)
        for _ in range(5):
            x = int(rng.integers(door + 4, max(door + 5, right - 14)))
            goods: list[float] = rng.uniform(50, 200, 3).tolist()
            dim = [0.5 * channel for channel in goods]
            low = base - int(rng.integers(10, 34))
            cv2.rectangle(front, (x, low), (x + 11, base - 3), goods, -1)
            cv2.rectangle(glow, (x, low), (x + 11, base - 3), dim, -1)
        if rng.random() < 0.5:
            for stripe, x in enumerate(range(left, right, 12)):
                cloth = colour if stripe % 2 else (226, 228, 228)
                cv2.rectangle(front, (x, sign), (min(x + 11, right), sign + 20), cloth, -1)
            cv2.rectangle(front, (left, sign + 20), (right, sign + 26), (50, 48, 48), -1)


def _lettering(
    rng: np.random.Generator, front: Image, glow: Image, box: tuple[int, int, int, int]
) -> None:
    words = (
        "BAKERY",
        "CAFE",
        "BOOKS",
        "FLOWERS",
        "MARKET",
        "BARBER",
        "CINEMA",
        "PHARMACY",
        "BIKES",
        "DELI",
    )
    left, top, right, bottom = box
    word = str(rng.choice(words))
    scale = (bottom - top) / 40
    (width, height), _ = cv2.getTextSize(word, cv2.FONT_HERSHEY_DUPLEX, scale, 2)
    if width > right - left - 6:
        return
    at = ((left + right - width) // 2, (top + bottom + height) // 2)
    cv2.putText(front, word, at, cv2.FONT_HERSHEY_DUPLEX, scale, (232, 236, 238), 2, cv2.LINE_AA)
    cv2.putText(glow, word, at, cv2.FONT_HERSHEY_DUPLEX, scale, (170, 210, 235), 2, cv2.LINE_AA)


def _roller_doors(rng: np.random.Generator, front: Image, glow: Image) -> None:
    height, width = front.shape[:2]
    cv2.rectangle(front, (0, 0), (width, int(0.5 * PX_PER_M)), (92, 86, 80), -1)
    step = 9 * PX_PER_M
    for number, left in enumerate(range(2 * PX_PER_M, width - 5 * PX_PER_M, step), start=1):
        right, top = left + int(3.8 * PX_PER_M), height - int(4.3 * PX_PER_M)
        cv2.rectangle(front, (left - 5, top - 5), (right + 5, height), (70, 190, 220), -1)
        cv2.rectangle(front, (left, top), (right, height), (150, 152, 152), -1)
        for y in range(top, height, 9):
            cv2.line(front, (left, y), (right, y), (116, 118, 118), 2)
        at = ((left + right) // 2 - 14, top - 16)
        cv2.putText(
            front, str(number), at, cv2.FONT_HERSHEY_DUPLEX, 1.3, (60, 58, 56), 3, cv2.LINE_AA
        )
        if rng.random() < 0.6:
            centre = ((left + right) // 2, top - 58)
            cv2.circle(glow, centre, 9, (170, 220, 250), -1, cv2.LINE_AA)
    for left in range(7 * PX_PER_M, width - 2 * PX_PER_M, step):
        cv2.rectangle(front, (left, 40), (left + 70, 74), (110, 96, 82), -1)
        if rng.random() < 0.5:
            cv2.rectangle(glow, (left, 40), (left + 70, 74), (110, 170, 200), -1)
