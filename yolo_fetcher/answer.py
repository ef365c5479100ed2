"""From the model's rows to the message of the contract."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pinhole.contract.detection import Detection, InferenceOptions, Timings
from yolo_fetcher.batcher import Inferred
from yolo_fetcher.detector import Rows
from yolo_fetcher.letterbox import Placement
from yolo_fetcher.loaded import LoadedModel

_MS: float = 1000


@dataclass(frozen=True, slots=True)
class Asked:
    """What one request wants, with the model that will do it."""

    options: InferenceOptions
    loaded: LoadedModel

    @property
    def input_hw(self) -> tuple[int, int]:
        """Height and width of the model's input in pixels."""
        return self.loaded.detector.traits.input_hw


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found in one picture, and where the time went."""

    data: bytes
    placement: Placement
    inferred: Inferred
    decode_s: float
    fetch_s: float = 0

    @property
    def timings_ms(self) -> Timings:
        """The times as the contract tells them; waiting in the queue is in none of them."""
        return Timings(
            fetch=self.fetch_s * _MS, decode=self.decode_s * _MS, infer=self.inferred.seconds * _MS
        )

    def detections(self, asked: Asked) -> list[Detection]:
        """Return the detections of the classes asked for, most confident first."""
        names = asked.loaded.detector.traits.class_names
        return detections_of(self.inferred.rows, self.placement, names, asked.options.classes)


def detections_of(
    rows: Rows, placement: Placement, names: Mapping[int, str], classes: Sequence[int] | None
) -> list[Detection]:
    """Return rows of the model's input as detections in pixels of the stored frame."""
    if classes is not None:
        rows = rows[[int(class_id) in classes for class_id in rows[:, 5]]]
    boxes = placement.to_frame(rows[:, :4]).tolist()
    return [
        Detection(
            xyxy_px=(x_min, y_min, x_max, y_max),
            confidence=confidence,
            class_id=int(class_id),
            class_name=names.get(int(class_id), f"class {int(class_id)}"),
        )
        for (x_min, y_min, x_max, y_max), (confidence, class_id) in zip(
            boxes, rows[:, 4:].tolist(), strict=True
        )
    ]
