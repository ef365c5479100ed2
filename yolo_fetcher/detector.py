"""What the service asks of a model, whichever library runs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pinhole.contract.errors import Unavailable
from yolo_fetcher.letterbox import Pixels

Rows = NDArray[np.float32]
"""Detections of one picture: shape (n, 6), columns x_min, y_min, x_max, y_max, confidence, class.

Coordinates in pixels of the model's input, confidence 0 to 1, the class a whole number; most
confident first.
"""

MAX_DETECTIONS = 300
"""Per picture: the rows of YOLO26's head, and the cut made after the suppression of others."""


class Precision(StrEnum):
    """The arithmetic of inference on a processor."""

    F32 = "f32"
    """32 bits: the same boxes from every backend and on every machine."""
    NATIVE = "native"
    """What the processor does fastest: bf16 on recent x86, 20 instead of 33 ms for YOLO26n.

    bf16 has 8 significant bits, which round the head's distances: boxes move by up to 1 px of the
    model's input (measured), 3 px of a 1080p frame, and differ between kinds of processors.
    """


class InferenceFailed(Unavailable):
    """The library that runs the model gave up; another replica may do better."""

    reason = "INFERENCE_FAILED"


@dataclass(frozen=True, slots=True)
class Traits:
    """What there is to know about a loaded model."""

    input_hw: tuple[int, int]
    """Height and width, in pixels, of the pictures that `detect` takes."""
    class_names: Mapping[int, str]
    max_batch: int
    """How many pictures one call of `detect` should be given at most."""
    lanes: int
    """How many threads may be in `detect` at once to good effect."""
    end_to_end: bool
    """Whether the model suppresses its own doubles (YOLO26), so that `iou` has no effect."""
    runs_on: str
    """Device and arithmetic, for people: `CPU bf16`."""


class Detector(Protocol):
    """A loaded model. The same pictures and parameters give the same rows from every backend.

    Held by tests/yolo_fetcher/test_detectors.py: boxes within 1 px of the stored frame.
    """

    @property
    def traits(self) -> Traits:
        """What there is to know about the model."""
        ...

    def detect(self, pictures: Sequence[Pixels], confidence: float, iou: float) -> list[Rows]:
        """Return the detections of each picture above `confidence`, in the order of `pictures`.

        Blocks for the length of an inference; up to `lanes` threads may call it at once.

        Raises:
            InferenceFailed: the model could not be run.
        """
        ...
