"""Boxes as they are drawn over a picture: geometry in frame coordinates, colour by class.

The colours were chosen by computation (tests/dashboard_gateway/test_overlay.py repeats it): apart
from each other for normal, protan, deutan and tritan sight, and dark text on them is readable. The
label names the class too, so that nothing is told by colour alone (WCAG 1.4.1).
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pinhole.contract.detection import Detection

PALETTE: Final = (
    "#18c1f6", "#eed601", "#e19d8c", "#1bfea6", "#de5da5", "#ffffff", "#b168ff", "#659f21",
)  # fmt: skip
"""The same values stand in static/css/app.css as `.k0` to `.k7`."""

_SLOTS: Final = {
    # What Pinhole's cameras see most keeps its colour for ever.
    "car": 0, "person": 1, "truck": 2, "bicycle": 3, "bus": 4, "license_plate": 5,
    "motorcycle": 6, "dog": 7,
}  # fmt: skip
_TAG_HEIGHT_SHARE: Final = 0.07
_RIGHT_SHARE: Final = 0.72
_CHARACTER_PX: Final = 6.7
_PADDING_PX: Final = 6


@dataclass(frozen=True)
class Box:
    """One detection, ready to be drawn; coordinates in pixels of the stored frame."""

    ordinal: int
    slot: int
    """Which colour of `PALETTE`."""
    label: str
    x: float
    y: float
    width: float
    height: float
    tag_x: float
    tag_y: float
    tag_width: float
    """In CSS pixels: a tag keeps its size at any zoom."""
    inside: bool
    """The tag lies inside the box: above it there is no room."""
    leftwards: bool
    """The tag ends at the box's right edge: to the right there is no room."""


def slot_of(class_name: str) -> int:
    """Return the colour of a class, always the same for the same name."""
    return _SLOTS.get(class_name, zlib.crc32(class_name.encode()) % len(PALETTE))


def words_of(class_name: str) -> str:
    """Return a class's name for people."""
    return class_name.replace("_", " ")


def boxes_of(detections: Sequence[Detection], width_px: int, height_px: int) -> list[Box]:
    """Return the boxes in drawing order: large ones first, so that small ones stay visible."""
    boxes = [
        _box(ordinal, detection, width_px, height_px)
        for ordinal, detection in enumerate(detections)
    ]
    return sorted(boxes, key=lambda box: -box.width * box.height)


def _box(ordinal: int, detection: Detection, width_px: int, height_px: int) -> Box:
    x_min, y_min, x_max, y_max = detection.xyxy_px
    label = f"{words_of(detection.class_name)} {detection.confidence:.0%}"
    leftwards = x_min > _RIGHT_SHARE * width_px
    return Box(
        ordinal=ordinal,
        slot=slot_of(detection.class_name),
        label=label,
        x=round(x_min, 1),
        y=round(y_min, 1),
        width=round(max(0.0, x_max - x_min), 1),
        height=round(max(0.0, y_max - y_min), 1),
        tag_x=round(x_max if leftwards else x_min, 1),
        tag_y=round(y_min, 1),
        tag_width=round(len(label) * _CHARACTER_PX + 2 * _PADDING_PX, 1),
        inside=y_min < _TAG_HEIGHT_SHARE * height_px,
        leftwards=leftwards,
    )
