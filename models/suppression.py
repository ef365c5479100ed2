"""A detection head that takes its own doubles out, so that nobody has to do it afterwards.

YOLO26 has two heads. The one-to-one head finds each object once, but learns slowly: after a few
passes over the pictures the one-to-many head is far ahead (mAP50 0.89 against 0.83 on the scenes
that watch the training), and finds everything about ten times. Here the better head is exported,
with the doubles suppressed inside the network by products of matrices: the output keeps the form
of the one-to-one head's.
"""

# Ultralytics' interfaces are untyped.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import Final

import torch
from ultralytics.nn.modules.head import Detect

CANDIDATES: Final = 320
"""The surest boxes that are compared with one another. 512 find no more and take longer."""

MAX_OVERLAP: Final = 0.5
"""Of two boxes of one class that overlap more, the less sure one is a double. The best of 0.4 to
0.7 on the scenes that watch the training, by 0.001 to 0.013 of mAP50."""

ROUNDS: Final = 3
"""A box that a double hides is free again; chains of doubles longer than this do not occur."""


class SuppressingDetect(Detect):
    """Ultralytics' head with the one-to-many branch in the one-to-one branch's place."""

    @classmethod
    def replace(cls, head: Detect) -> None:
        """Turn a trained head of YOLO26 into this one."""
        head.one2one_cv2, head.one2one_cv3 = head.cv2, head.cv3
        head.__class__ = cls

    def postprocess(self, preds: torch.Tensor) -> torch.Tensor:
        """(B, N, 4 + classes) `xyxy_px` and scores to (B, `max_det`, 6) rows, the surest first.

        Doubles are among the last rows, with a confidence of 0.
        """
        boxes, scores = preds.split((4, self.nc), dim=-1)
        confidence, class_ids, index = self.get_topk_index(scores, CANDIDATES)
        boxes = self._gather(boxes, index)
        confidence = confidence * single(boxes, class_ids)
        confidence, order = confidence.squeeze(-1).topk(self.max_det, dim=1)
        rows = torch.cat((boxes, class_ids), dim=-1)
        chosen = self._gather(rows, order)
        return torch.cat((chosen[..., :4], confidence[..., None], chosen[..., 4:]), dim=-1)


def single(boxes: torch.Tensor, class_ids: torch.Tensor) -> torch.Tensor:
    """(B, K, 1) 1 for each of (B, K, 4) boxes, the surest first, and 0 for doubles.

    As non-maximum suppression, without its loop over boxes: in each round the boxes left suppress
    what overlaps them. Source: Cluster-NMS, https://arxiv.org/abs/2005.03572, section 3.3.
    """
    same = class_ids == class_ids.transpose(1, 2)
    doubles = (_overlapping(boxes) & same).to(boxes.dtype)
    # Column: who suppresses. A box can be a double of a surer one only.
    doubles = torch.tril(doubles, diagonal=-1)
    left = torch.ones_like(class_ids)
    for _ in range(ROUNDS):
        suppressed = doubles @ left
        left = (suppressed == 0).to(boxes.dtype)
    return left


def _overlapping(boxes: torch.Tensor) -> torch.Tensor:
    """(B, K, K) whether boxes overlap one another by more than `MAX_OVERLAP`.

    Coordinate by coordinate, in whole planes: with the coordinates last it takes three times as
    long in OpenVINO.
    """
    columns = boxes.split(1, dim=-1)
    left, top, right, bottom = columns
    left_t, top_t, right_t, bottom_t = (column.transpose(1, 2) for column in columns)
    width = (torch.minimum(right, right_t) - torch.maximum(left, left_t)).clamp(min=0)
    height = (torch.minimum(bottom, bottom_t) - torch.maximum(top, top_t)).clamp(min=0)
    area = (right - left) * (bottom - top)
    # common / (area + other - common) > limit, without the division
    share = MAX_OVERLAP / (1 + MAX_OVERLAP)
    overlapping: torch.Tensor = width * height > (area + area.transpose(1, 2)) * share
    return overlapping
