"""OpenVINO alone: neither torch nor ultralytics, so an installation is about 5 GB smaller.

The model is compiled twice. Measured with YOLO26n at 640 px in bf16 on 2 cores, 1080p frames
decoded beside it, on an idle machine / on one with other work:

    one stream of 2 threads (LATENCY)      43 / 25 frames/s, 21 ms for a frame alone
    two streams of 1 thread (THROUGHPUT)   47 / 45 frames/s, 43 ms for a frame alone

The threads of one stream wait for the slowest at every layer, and other work on the machine makes
one slow. So a frame that is alone takes the wide stream and company takes the narrow ones.
"""

from collections.abc import Sequence
from queue import SimpleQueue
from threading import Lock
from typing import Any, Final

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino.preprocess import ColorFormat, PrePostProcessor

from yolo_fetcher.detector import InferenceFailed, Precision, Rows, Traits
from yolo_fetcher.detectors.suppression import is_rows, rows_of
from yolo_fetcher.letterbox import Pixels
from yolo_fetcher.models import ExportedModel, ModelRefused

_MAX_BYTE: Final = 255.0


class OpenvinoDetector:
    """A compiled model with one infer request per lane."""

    def __init__(self, model: ExportedModel, precision: Precision, threads: int) -> None:
        """Read and compile the model and run it once (blocks for about a second).

        `threads` is the number of cores inference may use; 0 for all.

        Raises:
            ModelRefused: OpenVINO cannot run it, or its output is no detection head's.
        """
        config = _config(precision, threads)
        try:
            graph = _with_byte_input(model)
            wide = ov.Core().compile_model(graph, "CPU", config | {"PERFORMANCE_HINT": "LATENCY"})
            narrow = ov.Core().compile_model(
                graph, "CPU", config | {"PERFORMANCE_HINT": "THROUGHPUT"}
            )
        except RuntimeError as error:
            raise ModelRefused(f"OpenVINO cannot load {model.graph}: {error}") from error
        # One more than there are streams: a stream finds work while Python ends the one before.
        lanes = int(narrow.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")) + 1
        self._requests = _Requests(wide, narrow, lanes)
        # By this thread alone: OpenVINO's binding makes its view of NumPy at the first use, and two
        # threads that do so at once wait for each other for ever (seen with 2026.4: one holds the
        # GIL, the other the guard of a C++ static).
        self._requests.infer(np.zeros((*model.input_hw, 3), np.uint8))
        self._traits = Traits(
            input_hw=model.input_hw,
            class_names=model.class_names,
            # Together is no faster here: 40 ms of a core alone, 44 ms each in a batch of 8.
            max_batch=1,
            lanes=lanes,
            end_to_end=is_rows(narrow.output(0).shape),
            runs_on=f"CPU {narrow.get_property('INFERENCE_PRECISION_HINT').get_type_name()}",
        )

    @property
    def traits(self) -> Traits:
        """See `Detector`."""
        return self._traits

    def detect(self, pictures: Sequence[Pixels], confidence: float, iou: float) -> list[Rows]:
        """See `Detector`."""
        return [rows_of(self._requests.infer(picture), confidence, iou) for picture in pictures]


class _Requests:
    """The infer requests, handed to one thread at a time."""

    def __init__(self, wide: ov.CompiledModel, narrow: ov.CompiledModel, lanes: int) -> None:
        self._wide = wide.create_infer_request()
        self._narrow: SimpleQueue[ov.InferRequest] = SimpleQueue()
        for _ in range(lanes):
            self._narrow.put(narrow.create_infer_request())
        self._lock = Lock()
        self._running = 0

    def infer(self, picture: Pixels) -> NDArray[np.float32]:
        """Return the first output for one picture, without the batch dimension (a copy)."""
        with self._lock:
            self._running += 1
            alone = self._running == 1
        request = self._wide if alone else self._narrow.get()
        try:
            request.infer({0: picture[np.newaxis]})
            output: NDArray[np.float32] = request.get_output_tensor(0).data[0].copy()
        except RuntimeError as error:
            raise InferenceFailed(f"OpenVINO could not run the model: {error}") from error
        finally:
            if not alone:
                self._narrow.put(request)
            with self._lock:
                self._running -= 1
        return output


def _with_byte_input(model: ExportedModel) -> ov.Model:
    """Return the graph taking (1, height, width, 3) bytes, BGR, as pictures are decoded.

    Conversion to planes of floats runs inside the graph: 1 ms less than in NumPy, and a queued
    picture needs 1.2 MB instead of 4.9 MB.
    """
    graph = ov.Core().read_model(model.graph)
    graph.reshape([1, 3, *model.input_hw])
    output = tuple(graph.output(0).shape)
    if not (is_rows(output) or output[1] == 4 + len(model.class_names)):
        raise ModelRefused(f"{model.graph} ends in {output}, which is no detection head of YOLO's")
    steps = PrePostProcessor(graph)
    tensor = steps.input().tensor()
    tensor.set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    tensor.set_color_format(ColorFormat.BGR)
    steps.input().model().set_layout(ov.Layout("NCHW"))
    convert = steps.input().preprocess().convert_element_type(ov.Type.f32)
    convert.convert_color(ColorFormat.RGB).scale(_MAX_BYTE)
    return steps.build()


def _config(precision: Precision, threads: int) -> dict[str, Any]:
    # Pinned threads stay on their core while another process has it (36 instead of 46 frames/s).
    config: dict[str, Any] = {"ENABLE_CPU_PINNING": False}
    if precision is Precision.F32:
        config["INFERENCE_PRECISION_HINT"] = ov.Type.f32
    if threads:
        config["INFERENCE_NUM_THREADS"] = threads
    return config
