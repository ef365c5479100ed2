"""A picture with its boxes drawn in, made for one answer and kept nowhere."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from pinhole.contract.detection import Detection
from yolo_fetcher.decode import Limits, full
from yolo_fetcher.letterbox import Pixels

_QUALITY: Final = 85
# Okabe and Ito's colours in BGR, told apart by colour-blind people (jfly.uni-koeln.de/color).
_COLOURS: Final = (
    (0, 159, 230), (233, 180, 86), (115, 158, 0), (66, 228, 240),
    (178, 114, 0), (0, 94, 213), (167, 121, 204),
)  # fmt: skip
_BLACK: Final = (0, 0, 0)
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX


def annotated(data: bytes, limits: Limits, detections: Sequence[Detection]) -> str:
    """Return the picture with boxes, classes and confidences as a JPEG data URI.

    CPU-bound: call it from a worker thread.

    Raises:
        TooLarge, NotAPicture: see `decode.full`.
    """
    picture = full(data, limits)
    # One pixel of line for every 600 of the shorter side, so that it shows on any screen.
    line_px = max(1, round(min(picture.shape[:2]) / 600))
    for detection in detections:
        _draw(picture, detection, line_px)
    _, encoded = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))
    return "data:image/jpeg;base64," + b64encode(np.asarray(encoded).tobytes()).decode()


def _draw(picture: Pixels, detection: Detection, line_px: int) -> None:
    colour = _COLOURS[detection.class_id % len(_COLOURS)]
    left, top, right, bottom = (round(value) for value in detection.xyxy_px)
    cv2.rectangle(picture, (left, top), (right, bottom), colour, line_px + 1)
    label = f"{detection.class_name} {detection.confidence:.2f}"
    scale = 0.5 * line_px
    (width, height), below = cv2.getTextSize(label, _FONT, scale, line_px)
    # Above the box where there is room, inside it otherwise.
    base = top - below if top >= height + below else top + height + below
    cv2.rectangle(
        picture, (left, base - height - below), (left + width, base + below), colour, cv2.FILLED
    )
    cv2.putText(picture, label, (left, base), _FONT, scale, _BLACK, line_px, cv2.LINE_AA)
