"""Doubles are taken out as non-maximum suppression does, one box after the other."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.precision import overlaps
from models.suppression import MAX_OVERLAP, ROUNDS, single


def one_after_the_other(boxes: torch.Tensor, class_ids: torch.Tensor) -> list[float]:
    """Return 1 for what the plain rule keeps: whatever no surer box that is kept overlaps."""
    corners = boxes[0].numpy().astype(np.float64)
    doubles = overlaps(corners, corners) > MAX_OVERLAP
    doubles &= (class_ids[0] == class_ids[0].T).numpy()
    kept: list[int] = []
    for index in range(len(corners)):
        if not doubles[index, kept].any():
            kept.append(index)
    return [float(index in kept) for index in range(len(corners))]


def test_a_box_that_a_double_overlaps_stays_if_what_stays_does_not_overlap_it() -> None:
    # Each overlaps its neighbour by 0.6 and the next but one by 0.33.
    boxes = torch.tensor([[[x, 0.0, x + 100, 100.0] for x in (0.0, 25.0, 50.0)]])
    assert single(boxes, torch.zeros(1, 3, 1)).flatten().tolist() == [1, 0, 1]


def test_boxes_of_other_classes_are_no_doubles() -> None:
    boxes = torch.tensor([[[0.0, 0.0, 50.0, 50.0]] * 2])
    assert single(boxes, torch.tensor([[[0.0], [1.0]]])).flatten().tolist() == [1, 1]
    assert single(boxes, torch.tensor([[[1.0], [1.0]]])).flatten().tolist() == [1, 0]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_objects_found_ten_times_are_left_as_by_the_plain_rule(seed: int) -> None:
    rng = np.random.default_rng(seed)
    objects = rng.uniform((0, 0, 20, 20), (600, 340, 90, 90), size=(6, 4))
    found = np.repeat(objects, 10, axis=0) + rng.normal(0, 1.5, size=(60, 4))
    corners = np.concatenate((found[:, :2], found[:, :2] + found[:, 2:]), axis=1)
    boxes = torch.tensor(rng.permutation(corners)[None], dtype=torch.float32)
    class_ids = torch.zeros(1, 60, 1)
    assert single(boxes, class_ids).flatten().tolist() == one_after_the_other(boxes, class_ids)


def test_chains_as_long_as_the_rounds_are_solved() -> None:
    steps = [25.0 * index for index in range(ROUNDS + 1)]
    boxes = torch.tensor([[[x, 0.0, x + 100, 100.0] for x in steps]])
    class_ids = torch.zeros(1, len(steps), 1)
    assert single(boxes, class_ids).flatten().tolist() == one_after_the_other(boxes, class_ids)
