"""Ultralytics' own predictor, on exported folders only.

It brings torch (1.5 GB for the processor, 5.2 GB with CUDA) and every device that torch knows.
One thread at a time: the predictor is not made for more. Where the export takes several pictures
at once (`--format onnx` does) its one lane takes them together, which is what a GPU wants.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from yolo_fetcher.detector import MAX_DETECTIONS, InferenceFailed, Precision, Rows, Traits
from yolo_fetcher.letterbox import Pixels
from yolo_fetcher.models import ExportedModel, ModelRefused

MAX_BATCH: Final = 8
_LOADING_ERRORS: Final = (
    AssertionError, AttributeError, ImportError, LookupError, OSError, RuntimeError, TypeError,
    ValueError,
)  # fmt: skip


class UltralyticsDetector:
    """A predictor with its model loaded."""

    def __init__(self, model: ExportedModel, device: str, precision: Precision) -> None:
        """Load the model on `device` (`cpu`, `cuda:0`) and run it once (blocks for seconds).

        Raises:
            ModelRefused: ultralytics cannot run it, or is not installed.
        """
        # An OpenVINO export is a folder to ultralytics, an ONNX export a file.
        weights = model.folder if model.graph.suffix == ".xml" else model.graph
        try:
            self._predictor = _predictor(weights, device, model.input_hw)
            if weights.is_dir() and device == "cpu" and precision is Precision.F32:
                _compile_in_f32(self._predictor, model.graph)
            self._predictor([np.zeros((*model.input_hw, 3), np.uint8)])
        except _LOADING_ERRORS as error:
            raise ModelRefused(f"ultralytics cannot load {model.folder}: {error}") from error
        self._traits = Traits(
            input_hw=model.input_hw,
            class_names=model.class_names,
            max_batch=model.batch or MAX_BATCH,
            lanes=1,
            end_to_end=model.end_to_end,
            runs_on=f"ultralytics {device}",
        )

    @property
    def traits(self) -> Traits:
        """See `Detector`."""
        return self._traits

    def detect(self, pictures: Sequence[Pixels], confidence: float, iou: float) -> list[Rows]:
        """See `Detector`."""
        self._predictor.args.conf = confidence
        self._predictor.args.iou = iou
        try:
            results = self._predictor(list(pictures))
        except RuntimeError as error:
            raise InferenceFailed(f"ultralytics could not run the model: {error}") from error
        return [np.asarray(result.boxes.data.cpu().numpy(), np.float32) for result in results]


def _predictor(weights: Path, device: str, input_hw: tuple[int, int]) -> Any:  # noqa: ANN401
    _keep_to_itself()
    from ultralytics.models.yolo.detect import DetectionPredictor  # noqa: PLC0415 - imports torch

    predictor = DetectionPredictor(
        overrides={
            "mode": "predict",
            "task": "detect",
            "imgsz": list(input_hw),
            "device": device,
            "max_det": MAX_DETECTIONS,
            "batch": MAX_BATCH,
            "save": False,
            "verbose": False,
        }
    )
    predictor.setup_model(str(weights), verbose=False)
    return predictor


def _compile_in_f32(predictor: Any, graph: Path) -> None:  # noqa: ANN401 - ultralytics' own
    """Replace the model that ultralytics compiled, which runs in bf16 where the processor can.

    It has no setting for that. Source: ultralytics/nn/backends/openvino.py, 8.4.
    """
    import openvino as ov  # noqa: PLC0415 - ultralytics imported it

    core = ov.Core()
    config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": ov.Type.f32}
    backend = predictor.model.backend
    if not hasattr(backend, "ov_compiled_model"):
        raise AttributeError("this version keeps its compiled model elsewhere; see precision")
    backend.ov_compiled_model = core.compile_model(core.read_model(graph), "CPU", config)


def _keep_to_itself() -> None:
    """Have ultralytics install nothing, report nothing, ask nobody and write into no home.

    It reads these when it is imported. Source: ultralytics/utils/__init__.py.
    """
    directory = Path(tempfile.gettempdir()) / f"pinhole-ultralytics-{os.getuid()}"
    for name, value in {
        "YOLO_AUTOINSTALL": "false",
        "YOLO_OFFLINE": "true",
        "YOLO_VERBOSE": "false",
        "YOLO_CONFIG_DIR": str(directory),
    }.items():
        os.environ.setdefault(name, value)
