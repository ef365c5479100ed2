"""Measuring a detector: what is right, what is wrong, and what is neither."""

import numpy as np
import pytest
from numpy.typing import NDArray

from camera_uploader.synthetic.labels import Truth
from models.counted import counts, large_enough
from models.precision import IOU_THRESHOLDS, Answer, Boxes, compare, figures

PERSON, CAR, PLATE = 0, 2, 6
HERE, THERE, FAR = (100, 100, 200, 200), (400, 100, 500, 200), (800, 500, 900, 600)
Box = tuple[float, float, float, float]


def boxes(*rows: Box, class_id: int = CAR, counted: tuple[bool, ...] = ()) -> Boxes:
    flags = counted or (True,) * len(rows)
    return Boxes(
        np.array(rows, dtype=np.float64).reshape(-1, 4),
        np.full(len(rows), class_id, dtype=np.int64),
        np.array(flags, dtype=bool),
    )


def sure(*confidence: float) -> NDArray[np.float64]:
    return np.array(confidence, dtype=np.float64)


def map50(*answers: Answer) -> float:
    return figures(list(answers))[1].map50


def test_a_box_that_fits_is_right_and_one_of_another_class_is_wrong() -> None:
    answer = compare(boxes(HERE), sure(0.9), boxes(HERE))
    assert answer.hits.all()
    answer = compare(boxes(HERE, class_id=PERSON), sure(0.9), boxes(HERE))
    assert not answer.hits.any()
    assert not answer.ignored.any()


def test_the_surest_of_two_boxes_on_one_object_is_right_and_the_other_wrong() -> None:
    answer = compare(boxes(HERE, HERE), sure(0.3, 0.8), boxes(HERE))
    assert answer.confidence.tolist() == [0.8, 0.3]
    assert answer.hits[:, 0].tolist() == [True, False]
    assert not answer.ignored.any()


def test_a_box_is_right_up_to_the_overlap_it_has() -> None:
    # 100 x 72 of 100 x 100: an overlap of 0.72.
    answer = compare(boxes((100, 100, 200, 172)), sure(0.9), boxes(HERE))
    assert answer.hits[0].tolist() == [bool(threshold <= 0.72) for threshold in IOU_THRESHOLDS]


def test_finding_an_ignored_object_is_neither_right_nor_wrong() -> None:
    truths = boxes(HERE, THERE, counted=(True, False))
    answer = compare(boxes(HERE, THERE), sure(0.8, 0.9), truths)
    assert answer.hits[:, 0].tolist() == [False, True]
    assert answer.ignored[:, 0].tolist() == [True, False]
    assert answer.truth_ids.tolist() == [CAR]
    assert map50(answer) == pytest.approx(0.995, abs=0.005)


def test_missing_an_ignored_object_costs_nothing_and_missing_a_counted_one_does() -> None:
    found = compare(boxes(HERE), sure(0.9), boxes(HERE, THERE, counted=(True, False)))
    missed = compare(boxes(HERE), sure(0.9), boxes(HERE, THERE))
    assert map50(found) == pytest.approx(0.995, abs=0.005)
    assert map50(missed) == pytest.approx(0.5, abs=0.01)


def test_a_counted_object_is_matched_before_an_ignored_one_that_fits_better() -> None:
    nearly = (100.0, 100.0, 200.0, 190.0)
    answer = compare(boxes(nearly), sure(0.9), boxes(nearly, HERE, counted=(False, True)))
    assert answer.hits[0, 0]
    # From an overlap of 0.95 on only the ignored one is left.
    assert not answer.hits[0, -1]
    assert answer.ignored[0, -1]


def test_an_ignored_object_excuses_one_box_only() -> None:
    answer = compare(boxes(HERE, HERE), sure(0.9, 0.8), boxes(HERE, counted=(False,)))
    assert answer.ignored[:, 0].tolist() == [True, False]


def test_a_box_smaller_than_what_counts_is_wrong_nowhere_but_may_be_right() -> None:
    found = boxes(HERE, FAR, counted=(False, False))
    answer = compare(found, sure(0.9, 0.8), boxes(HERE))
    assert answer.hits[:, 0].tolist() == [True, False]
    assert answer.ignored[:, 0].tolist() == [False, True]


def test_pictures_without_objects_or_without_boxes_are_measured_too() -> None:
    nothing = compare(boxes(), sure(), boxes())
    wrong = compare(boxes(FAR), sure(0.95), boxes())
    right = compare(boxes(HERE), sure(0.9), boxes(HERE))
    missed = compare(boxes(), sure(), boxes(HERE))
    assert map50(nothing, right) == pytest.approx(0.995, abs=0.005)
    assert map50(nothing, right, wrong) < 0.6
    assert map50(nothing, right, missed) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("name", "width", "height", "share", "counted"),
    [
        ("person", 10, 25, 1.0, True),
        ("person", 10, 24.9, 1.0, False),
        ("car", 60, 40, 0.5, True),
        ("car", 60, 40, 0.49, False),
        ("license_plate", 40, 10, 0.75, True),
        ("license_plate", 39, 10, 1.0, False),
        ("license_plate", 40, 10, 0.7, False),
    ],
)
def test_objects_count_from_25_px_of_height_and_half_visible(
    name: str, width: float, height: float, share: float, counted: bool
) -> None:
    truth = Truth(name, (100.0, 100.0, 100.0 + width, 100.0 + height), None, share)
    assert counts(truth, 1280) is counted
    doubled = Truth(name, (200.0, 200.0, 200.0 + 2 * width, 200.0 + 2 * height), None, share)
    assert counts(doubled, 2560) is counted


def test_no_boxes_have_no_sizes() -> None:
    assert large_enough(np.zeros((0, 4)), np.zeros(0, dtype=np.int64), 1280).shape == (0,)
