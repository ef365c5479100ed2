"""The end of inference: from a head's output to rows.

YOLO26 exported with `nms=False` ends in rows, most confident first, and needs no suppression of
doubles. Every other head gives each anchor's box and class scores: the doubles are removed here.
"""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_fetcher.detector import MAX_DETECTIONS, Rows

_ROW_LENGTH: Final = 6


def is_rows(shape: Sequence[int]) -> bool:
    """Whether an output of this shape (batch first) holds rows, so that nothing is suppressed."""
    return shape[-1] == _ROW_LENGTH


def rows_of(output: NDArray[np.float32], confidence: float, iou: float) -> Rows:
    """Return the rows above `confidence` of one picture's `output`.

    `output` is (n, 6), rows already, or (4 + classes, anchors): centre x, centre y, width, height
    and one score per class.
    """
    if is_rows(output.shape):
        return output[output[:, 4] > confidence]
    return _suppressed(output, confidence, iou)


def _suppressed(output: NDArray[np.float32], confidence: float, iou: float) -> Rows:
    best = output[4:].max(axis=0)
    anchors = np.flatnonzero(best > confidence)
    if not anchors.size:
        return np.empty((0, _ROW_LENGTH), np.float32)
    scores, class_ids = best[anchors], output[4:, anchors].argmax(axis=0)
    centres, sizes = output[0:2, anchors].T, output[2:4, anchors].T
    # Classes do not suppress one another, as in ultralytics' default (agnostic_nms=False).
    kept = np.asarray(
        cv2.dnn.NMSBoxesBatched(
            np.hstack((centres - sizes / 2, sizes)).tolist(),
            scores.tolist(),
            class_ids.tolist(),
            confidence,
            iou,
        ),
        np.intp,
    ).reshape(-1)
    kept = kept[np.argsort(-scores[kept], kind="stable")][:MAX_DETECTIONS]
    corners = (centres[kept] - sizes[kept] / 2, centres[kept] + sizes[kept] / 2)
    return np.column_stack((*corners, scores[kept], class_ids[kept])).astype(np.float32)
