"""What is truly in a rendered frame: the classes, the boxes and how they are written down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CLASS_NAMES: Final = (
    "person",
    "bicycle",
    "car",
    "motorcycle",
    "bus",
    "truck",
    "license_plate",
)
"""Names by class id. COCO's words where COCO has one, so that a COCO model can replace ours."""

CLASS_IDS: Final = {name: class_id for class_id, name in enumerate(CLASS_NAMES)}


@dataclass(frozen=True, slots=True)
class Truth:
    """One object that can be seen in a rendered frame.

    Attributes:
        class_name: One of `CLASS_NAMES`.
        xyxy_px: (x_min, y_min, x_max, y_max) in pixels of the frame, clipped to the frame. The
            whole object is boxed, also the part that something nearer hides.
        text: The characters of a licence plate without spaces; None for everything else.
        visible_share: Share of the object's own area that can be seen, in (0, 1]: what the edge
            of the frame cuts off and what nearer objects hide is missing from it.
    """

    class_name: str
    xyxy_px: tuple[float, float, float, float]
    text: str | None
    visible_share: float

    def yolo_line(self, width_px: int, height_px: int) -> str:
        """`class_id x_centre y_centre width height`, the four as shares of the frame.

        Source: https://docs.ultralytics.com/datasets/detect/#ultralytics-yolo-format
        """
        x_min, y_min, x_max, y_max = self.xyxy_px
        shares = (
            (x_min + x_max) / 2 / width_px,
            (y_min + y_max) / 2 / height_px,
            (x_max - x_min) / width_px,
            (y_max - y_min) / height_px,
        )
        return " ".join([str(CLASS_IDS[self.class_name]), *(f"{share:.6f}" for share in shares)])
