"""The libraries that run a model; each is imported only when it is chosen."""

from yolo_fetcher.detector import Detector
from yolo_fetcher.models import ExportedModel
from yolo_fetcher.settings import Backend, YoloSettings


def load(settings: YoloSettings, model: ExportedModel) -> Detector:
    """Return a detector for `model`. Blocks: seconds for the first of a process.

    Raises:
        ModelRefused: the backend cannot run it, or is not installed.
    """
    match settings.backend:
        case Backend.OPENVINO:
            from yolo_fetcher.detectors.openvino_backend import OpenvinoDetector  # noqa: PLC0415

            return OpenvinoDetector(model, settings.precision, settings.threads)
        case Backend.ULTRALYTICS:
            from yolo_fetcher.detectors.ultralytics_backend import (  # noqa: PLC0415
                UltralyticsDetector,
            )

            return UltralyticsDetector(model, settings.device, settings.precision)
