"""Average precision as COCO defines it, for one set of pictures.

Some objects are ignored: too small or too hidden to ask for (see `counted`). Finding one is
neither right nor wrong: the detection is taken out, as `cocoeval.py` of pycocotools does.

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
Flags = npt.NDArray[np.bool_]

IOU_THRESHOLDS: Final = np.linspace(0.5, 0.95, 10)


@dataclass(frozen=True)
class Answer:
    """What was found in one picture, beside what is there.

    Attributes:
        hits: (N, 10) whether each detection is right, at each of `IOU_THRESHOLDS`.
        ignored: (N, 10) whether it is neither right nor wrong.
        confidence: (N,) in 0..1. class_ids: (N,). truth_ids: (M,) classes of what has to be found.
    """

    hits: Flags
    ignored: Flags
    confidence: Floats
    class_ids: Ints
    truth_ids: Ints


@dataclass(frozen=True)
class Boxes:
    """Objects of one picture.

    Attributes:
        xyxy_px: (N, 4). class_ids: (N,).
        counted: (N,) whether an object has to be found, or whether a detection has the size of
        one that has to be: objects that are not counted, and such detections that match nothing,
        are ignored.
    """

    xyxy_px: Floats
    class_ids: Ints
    counted: Flags


@dataclass(frozen=True)
class Figures:
    """Average precision of one class, or the mean over classes, all in 0..1.

    Attributes:
        map50: At an overlap (IoU) of 0.5.
        map50_95: Mean over overlaps of 0.5 to 0.95.
        recall: Found at the confidence where precision and recall balance best (F1).
        precision: Right, of what was found, at that confidence.
        truths: Objects that have to be found.
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


def compare(found: Boxes, confidence: Floats, truths: Boxes) -> Answer:
    """Match detections to objects of their class, the surest first, each object once.

    An ignored object is matched only by a detection that no counted one is left for.
    """
    order = np.argsort(-confidence, kind="stable")
    class_ids, small = found.class_ids[order], ~found.counted[order]
    overlap = overlaps(found.xyxy_px[order].reshape(-1, 4), truths.xyxy_px.reshape(-1, 4))
    overlap[class_ids[:, None] != truths.class_ids[None, :]] = 0.0
    hits = np.zeros((len(order), len(IOU_THRESHOLDS)), dtype=bool)
    ignored = np.zeros_like(hits)
    for column, threshold in enumerate(IOU_THRESHOLDS):
        matched = _matches(overlap, truths.counted, threshold)
        hits[:, column] = (matched >= 0) & _taken(truths.counted, matched)
        ignored[:, column] = np.where(matched >= 0, ~hits[:, column], small)
    return Answer(hits, ignored, confidence[order], class_ids, truths.class_ids[truths.counted])


def _matches(overlap: Floats, counted: Flags, threshold: float) -> Ints:
    """(N,) index of the object that each detection, the surest first, is matched to, or -1."""
    matched = np.full(len(overlap), -1, dtype=np.int64)
    free = np.where(overlap >= threshold, overlap, 0.0)
    # Any counted object goes before every ignored one, however well that one fits.
    free += (free > 0) & counted[None, :]
    for row in range(len(free)):
        if free.shape[1] and free[row].max() > 0:
            matched[row] = int(free[row].argmax())
            free[:, matched[row]] = 0.0
    return matched


def _taken(flags: Flags, indices: Ints) -> Flags:
    """(N,) flags at indices, where -1 gives False."""
    return np.append(flags, False)[indices]


def figures(answers: list[Answer]) -> tuple[dict[int, Figures], Figures]:
    """Figures by class id, and their mean over the classes that occur."""
    # Imported here because it brings torch along; comparing alone needs none of it.
    from ultralytics.utils.metrics import ap_per_class  # noqa: PLC0415

    hits = np.concatenate([answer.hits for answer in answers])
    ignored = np.concatenate([answer.ignored for answer in answers])
    confidence = np.concatenate([answer.confidence for answer in answers])
    class_ids = np.concatenate([answer.class_ids for answer in answers])
    truth_ids = np.concatenate([answer.truth_ids for answer in answers])
    # What is ignored differs from threshold to threshold, so each has a curve of its own.
    curves: list[Any] = [
        ap_per_class(hits[kept, column, None], confidence[kept], class_ids[kept], truth_ids)
        for column, kept in enumerate(~ignored.T)
    ]
    _, _, precision, recall, _, _, classes = curves[0][:7]
    ap = np.concatenate([curve[5] for curve in curves], axis=1)
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
