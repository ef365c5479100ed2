"""Pictures lie in the model's input as in training, and boxes find back to the frame."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ultralytics.data.augment import LetterBox

from tests.yolo_fetcher.pictures import noise
from yolo_fetcher.letterbox import letterbox

SIDES = st.integers(1, 1500)
INPUT_HW = (640, 640)


@given(width_px=SIDES, height_px=SIDES)
@settings(max_examples=40, deadline=None)
def test_input_is_pixel_for_pixel_the_one_of_training(width_px: int, height_px: int) -> None:
    picture = noise(width_px, height_px)
    ours, _ = letterbox(picture, (width_px, height_px), 1, INPUT_HW)
    assert np.array_equal(ours, np.asarray(LetterBox(INPUT_HW)(image=picture)))


def test_input_need_not_be_a_square() -> None:
    picture = noise(800, 600)
    ours, _ = letterbox(picture, (800, 600), 1, (384, 640))
    assert ours.shape == (384, 640, 3)
    assert np.array_equal(ours, np.asarray(LetterBox((384, 640))(image=picture)))


@given(width_px=SIDES, height_px=SIDES)
def test_corners_of_the_frame_come_back_from_the_input(width_px: int, height_px: int) -> None:
    _, placement = letterbox(noise(width_px, height_px), (width_px, height_px), 1, INPUT_HW)
    left, top = placement.left_px, placement.top_px
    right = left + width_px * placement.scale_x
    bottom = top + height_px * placement.scale_y
    box = placement.to_frame(np.array([[left, top, right, bottom]], np.float32))
    # float32 has 24 bits: 1500 px to about 1/5000 px.
    assert box[0].tolist() == pytest.approx([0, 0, width_px, height_px], abs=0.01)


def test_boxes_are_clipped_to_the_frame() -> None:
    _, placement = letterbox(noise(640, 320), (640, 320), 1, INPUT_HW)
    box = placement.to_frame(np.array([[-50, 10, 700, 630]], np.float32))
    assert box.tolist() == [[0, 0, 640, 320]]


@pytest.mark.parametrize("reduction", [2, 4, 8])
def test_one_pixel_of_a_reduced_picture_is_so_many_pixels_of_the_frame(reduction: int) -> None:
    # 1921 columns at 1/8 are 241, the last of which is one eighth wide: the scale is 8 exactly.
    reduced = noise(-(-1921 // reduction), 128)
    _, placement = letterbox(reduced, (1921, 128 * reduction), reduction, reduced.shape[:2])
    x_in_input = 100.0
    box = placement.to_frame(np.array([[x_in_input, 0, x_in_input, 0]], np.float32))
    assert box[0, 0] == pytest.approx(x_in_input * reduction)
