"""Heads that do not suppress their own doubles get the boxes that ultralytics gives them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ultralytics.utils.nms import non_max_suppression

from yolo_fetcher.detector import MAX_DETECTIONS
from yolo_fetcher.detectors.suppression import is_rows, rows_of


@given(seed=st.integers(0, 10_000), iou=st.sampled_from([0.3, 0.5, 0.7]))
@settings(max_examples=30, deadline=None)
def test_doubles_are_removed_as_ultralytics_removes_them(seed: int, iou: float) -> None:
    output = _head(seed, anchors=400, classes=3)
    (theirs,) = non_max_suppression(torch.from_numpy(output[None]), 0.3, iou, max_det=300)
    ours = rows_of(output, 0.3, iou)
    assert np.allclose(ours, theirs.numpy(), atol=1e-3)


def test_classes_do_not_suppress_one_another() -> None:
    output = np.zeros((6, 2), np.float32)
    output[:4] = np.array([[100, 100, 50, 50]]).T
    output[4, 0], output[5, 1] = 0.9, 0.8
    assert rows_of(output, 0.5, 0.5)[:, 5].tolist() == [0, 1]


def test_at_most_300_rows_are_left_the_most_confident_first() -> None:
    side = np.arange(400, dtype=np.float32)
    output = np.stack([side * 20, side * 20, side * 0 + 10, side * 0 + 10, side / 400])
    rows = rows_of(output, 0.01, 0.5)
    assert len(rows) == MAX_DETECTIONS
    assert rows[:, 4].tolist() == sorted(rows[:, 4], reverse=True)
    assert rows[0, 4] == pytest.approx(399 / 400)


def test_rows_of_an_end_to_end_head_are_only_cut_at_the_confidence() -> None:
    output = np.zeros((300, 6), np.float32)
    output[:3, 4] = [0.9, 0.5, 0.2]
    output[:2, :4] = [10, 10, 20, 20]  # doubles: the head is trusted to mean both
    assert rows_of(output, 0.25, 0.5)[:, 4].tolist() == pytest.approx([0.9, 0.5])


def test_picture_without_anything_has_no_rows() -> None:
    assert rows_of(np.zeros((9, 100), np.float32), 0.25, 0.7).shape == (0, 6)


def test_shapes_tell_the_heads_apart() -> None:
    assert is_rows((1, 300, 6))
    assert not is_rows((1, 84, 8400))


def _head(seed: int, anchors: int, classes: int) -> np.ndarray:
    """Return what a head gives for a picture with about forty objects, each seen many times."""
    generator = np.random.default_rng(seed)
    objects = generator.uniform((50, 50, 20, 20), (590, 590, 120, 120), (40, 4))
    boxes = objects[generator.integers(0, 40, anchors)] + generator.normal(0, 6, (anchors, 4))
    scores = generator.uniform(0, 1, (anchors, classes)) ** 3
    return np.hstack((boxes, scores)).T.astype(np.float32)
