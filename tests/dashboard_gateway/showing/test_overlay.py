"""The colours of boxes: the computation by which they were chosen, as a check.

Source: Machado, Oliveira, Fernandes 2009 (severity 1.0) for colour-blind sight; OKLab for distance.
"""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from dashboard_gateway import overlay
from dashboard_gateway.overlay import PALETTE, boxes_of, slot_of
from tests.support.gallery import seen

Floats = np.typing.NDArray[np.float64]

SIGHTS = {
    "normal": np.eye(3),
    "protan": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deutan": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritan": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
# Okabe and Ito's palette, the usual recommendation, reaches 0.076 by this measure.
LEAST_DISTANCE = 0.11
READABLE = 4.5
INK = "#0a0c10"


def linear(colour: str) -> Floats:
    channels = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def oklab(light: Floats) -> Floats:
    lab: Floats = np.cbrt(np.clip(light, 0, 1) @ TO_LMS.T) @ TO_LAB.T
    return lab


def luminance(colour: str) -> float:
    return float(linear(colour) @ np.array([0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("sight", SIGHTS)
def test_no_two_classes_look_alike_to_any_eye(sight: str) -> None:
    views = [oklab(linear(colour) @ SIGHTS[sight].T) for colour in PALETTE]
    for (name, first), (other, second) in itertools.combinations(
        zip(PALETTE, views, strict=True), 2
    ):
        assert np.linalg.norm(first - second) > LEAST_DISTANCE, (name, other)


@pytest.mark.parametrize("colour", PALETTE)
def test_a_label_is_readable_on_its_colour(colour: str) -> None:
    contrast = (luminance(colour) + 0.05) / (luminance(INK) + 0.05)
    assert contrast >= READABLE


def test_the_style_sheet_has_the_same_colours() -> None:
    sheet = (Path(overlay.__file__).parent / "static/css/app.css").read_text(encoding="utf-8")
    found = re.findall(r"^\.k(\d) \{ --k: (#\w{6}); \}$", sheet, flags=re.MULTILINE)
    assert [colour for _, colour in sorted(found)] == list(PALETTE)
    assert f".tag text {{ fill: {INK};" in sheet


def test_a_class_keeps_its_colour_and_an_unknown_one_has_one() -> None:
    assert slot_of("car") == 0
    assert slot_of("zebra") == slot_of("zebra")
    assert 0 <= slot_of("zebra") < len(PALETTE)


def test_small_boxes_are_drawn_after_large_ones() -> None:
    detections = [seen("person", 0.9, 10, 10, 20, 20), seen("bus", 0.8, 0, 0, 500, 400)]
    assert [box.ordinal for box in boxes_of(detections, 640, 480)] == [1, 0]


def test_a_label_turns_inside_or_leftwards_where_there_is_no_room() -> None:
    top, right = boxes_of(
        [seen("car", 0.5, 0, 5, 400, 300), seen("car", 0.5, 600, 200, 640, 260)], 640, 480
    )
    assert (top.inside, top.leftwards) == (True, False)
    assert (right.inside, right.leftwards) == (False, True)
    assert right.tag_x == 640
