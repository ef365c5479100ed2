"""What counts when a detector is measured, and what is neither right nor wrong to find.

Two widths of a road away a person is a few pixels, and behind a lorry a car is a corner of its
roof: nobody can say whether a detector has to find those. The field tells such objects apart and
ignores them. What counts here is KITTI's "moderate": at least 25 px high in a picture of about
this width, and not mostly hidden.

Source: https://www.cvlibs.net/datasets/kitti/eval_object.php?obj_benchmark=2d ; how an ignored
object is matched is COCO's `pycocotools.cocoeval`, see `precision`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from camera_uploader.synthetic.labels import CLASS_IDS, Truth

MIN_HEIGHT_PX: Final = 25.0
MIN_PLATE_WIDTH_PX: Final = 40.0
"""For a frame 1280 px wide. A plate is a quarter as high as wide, so its width is looked at: below
this its characters cannot be read."""

MIN_VISIBLE_SHARE: Final = 0.5
MIN_VISIBLE_PLATE_SHARE: Final = 0.75
"""Of the object's own area; what the edge of the frame cuts off counts as hidden."""

FULL_WIDTH_PX: Final = 1280

PLATE: Final = "license_plate"


def counts(truth: Truth, width_px: int) -> bool:
    """Return whether an object in a frame `width_px` wide has to be found."""
    box = np.array([truth.xyxy_px])
    if not large_enough(box, np.array([CLASS_IDS[truth.class_name]]), width_px)[0]:
        return False
    least = MIN_VISIBLE_PLATE_SHARE if truth.class_name == PLATE else MIN_VISIBLE_SHARE
    return truth.visible_share >= least


def large_enough(
    boxes: npt.NDArray[np.float64], class_ids: npt.NDArray[np.int64], width_px: int
) -> npt.NDArray[np.bool_]:
    """(N,) whether boxes (N, 4) `xyxy_px` of classes (N,) have the size that counts."""
    scale = width_px / FULL_WIDTH_PX
    widths, heights = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    plates = class_ids == CLASS_IDS[PLATE]
    large: npt.NDArray[np.bool_] = np.where(
        plates, widths >= MIN_PLATE_WIDTH_PX * scale, heights >= MIN_HEIGHT_PX * scale
    )
    return large
