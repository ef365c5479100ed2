"""Average precision as COCO defines it, for one set of pictures.

Source: https://cocodataset.org/#detection-eval; the curve itself is ultralytics' `ap_per_class`
(101 points), so that figures compare with those that ultralytics prints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

IOU_THRESHOLDS: Final = np.linspace(0.5, 0.95, 10)


@dataclass(frozen=True)
class Answer:
    """What was found in one picture, beside what is there.

    Attributes:
        hits: (N, 10) whether each detection is right, at each of `IOU_THRESHOLDS`.
        confidence: (N,) in 0..1. class_ids: (N,). truth_ids: (M,) classes of what is there.
    """

    hits: npt.NDArray[np.bool_]
    confidence: Floats
    class_ids: Ints
    truth_ids: Ints


@dataclass(frozen=True)
class Figures:
    """Average precision of one class, or the mean over classes, all in 0..1.

    Attributes:
        map50: At an overlap (IoU) of 0.5.
        map50_95: Mean over overlaps of 0.5 to 0.95.
        recall: Found at the confidence where precision and recall balance best (F1).
        precision: Right, of what was found, at that confidence.
        truths: Objects that are there.
    """

    map50: float
    map50_95: float
    precision: float
    recall: float
    truths: int


def overlaps(boxes: Floats, others: Floats) -> Floats:
    """(N, M) intersection over union of (N, 4) and (M, 4) boxes `xyxy_px`."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(axis=2)
    areas = [(array[:, 2:] - array[:, :2]).prod(axis=1) for array in (boxes, others)]
    union: Floats = areas[0][:, None] + areas[1][None, :] - common
    return np.asarray(common / np.maximum(union, 1e-9))


def compare(
    boxes: Floats, confidence: Floats, class_ids: Ints, truth_boxes: Floats, truth_ids: Ints
) -> Answer:
    """Match detections to truths of their class, the surest first, each truth once."""
    order = np.argsort(-confidence, kind="stable")
    boxes, confidence, class_ids = boxes[order], confidence[order], class_ids[order]
    overlap = overlaps(boxes.reshape(-1, 4), truth_boxes.reshape(-1, 4))
    overlap[class_ids[:, None] != truth_ids[None, :]] = 0.0
    hits = np.zeros((len(boxes), len(IOU_THRESHOLDS)), dtype=bool)
    for column, threshold in enumerate(IOU_THRESHOLDS):
        free = overlap.copy()
        for row in range(len(boxes)):
            if not free.shape[1]:
                break
            best = int(free[row].argmax())
            if free[row, best] >= threshold:
                hits[row, column] = True
                free[:, best] = 0.0
    return Answer(hits, confidence, class_ids, truth_ids)


def figures(answers: list[Answer]) -> tuple[dict[int, Figures], Figures]:
    """Figures by class id, and their mean over the classes that occur."""
    # Imported here because it brings torch along; comparing alone needs none of it.
    from ultralytics.utils.metrics import ap_per_class  # noqa: PLC0415

    hits = np.concatenate([answer.hits for answer in answers])
    confidence = np.concatenate([answer.confidence for answer in answers])
    class_ids = np.concatenate([answer.class_ids for answer in answers])
    truth_ids = np.concatenate([answer.truth_ids for answer in answers])
    curves: Any = ap_per_class(hits, confidence, class_ids, truth_ids)
    _, _, precision, recall, _, ap, classes = curves[:7]
    by_class = {
        int(class_id): Figures(
            map50=float(ap[row, 0]),
            map50_95=float(ap[row].mean()),
            precision=float(precision[row]),
            recall=float(recall[row]),
            truths=int((truth_ids == class_id).sum()),
        )
        for row, class_id in enumerate(classes)
    }
    rows = list(by_class.values())
    mean = Figures(
        map50=float(np.mean([row.map50 for row in rows])),
        map50_95=float(np.mean([row.map50_95 for row in rows])),
        precision=float(np.mean([row.precision for row in rows])),
        recall=float(np.mean([row.recall for row in rows])),
        truths=len(truth_ids),
    )
    return by_class, mean
