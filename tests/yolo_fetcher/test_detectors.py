"""Both backends are held to the same detections, on photographs and on rendered scenes."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest

from camera_uploader.synthetic.render import Scene
from tests.yolo_fetcher.pictures import decoded, encoded
from yolo_fetcher.decode import Limits, prepare
from yolo_fetcher.detector import Detector, Precision, Rows
from yolo_fetcher.detectors.openvino_backend import OpenvinoDetector
from yolo_fetcher.detectors.ultralytics_backend import MAX_BATCH, UltralyticsDetector
from yolo_fetcher.models import ExportedModel, ModelRefused, read

LIMITS = Limits(max_bytes=20_000_000, max_pixels=40_000_000)
KINDS: tuple[Literal["street", "gate"], ...] = ("street", "gate")
THRESHOLD = 0.05
IOU = 0.7
# Confidences nearer than this to the threshold may fall on either side of it.
MARGIN = 0.002


@dataclass(frozen=True)
class Backends:
    """The same model, loaded by each library."""

    openvino: OpenvinoDetector
    ultralytics: UltralyticsDetector


@pytest.fixture(scope="module")
def model(demo_model: Path) -> ExportedModel:
    return read(demo_model)


@pytest.fixture(scope="module")
def backends(model: ExportedModel) -> Backends:
    return _load(model)


@pytest.fixture(scope="module")
def files(photo: bytes, second_photo: bytes) -> list[bytes]:
    """Give ultralytics' two photographs, a street, a gate, and the gate from a larger camera."""
    street, gate = (Scene(kind, 1).frame(2.0)[0] for kind in KINDS)
    larger = np.asarray(cv2.resize(gate, (2560, 1440), interpolation=cv2.INTER_CUBIC), np.uint8)
    return [photo, second_photo, *(encoded(picture) for picture in (street, gate, larger))]


def test_both_backends_find_the_same_boxes_within_a_pixel_of_the_stored_frame(
    backends: Backends, files: list[bytes]
) -> None:
    found = 0
    for data in files:
        ours, theirs = (_in_frame(detector, data) for detector in _both(backends))
        found += _same(ours, theirs, pixels=1, confidence=MARGIN)
    assert found >= 20  # or there was nothing to compare


def test_boxes_lie_where_ultralytics_alone_puts_them_in_the_whole_picture(
    backends: Backends, files: list[bytes]
) -> None:
    # Its own letterbox and its own way back, on pixels decoded in full: neither is ours.
    for data in files[:3]:
        predictor = backends.ultralytics._predictor
        predictor.args.conf = THRESHOLD
        (result,) = predictor([decoded(data)])
        found = _in_frame(backends.openvino, encoded(decoded(data), ".png"))
        _same(found, result.boxes.data.numpy(), pixels=1, confidence=MARGIN)


@pytest.mark.parametrize("number", [3, 4])
def test_reduced_decoding_finds_the_same_objects_as_decoding_in_full(
    backends: Backends, files: list[bytes], number: int
) -> None:
    reduced = _in_frame(backends.openvino, files[number])
    in_full = _in_frame(backends.openvino, encoded(decoded(files[number]), ".png"))
    sure = in_full[in_full[:, 4] > 0.5]
    assert len(sure) > 0
    for row in sure:
        same_class = reduced[reduced[:, 5] == row[5]]
        # The pictures differ in sharpness, so the boxes do by a little; none is missed.
        assert max(_overlap(row, other) for other in same_class) > 0.85


def test_pictures_of_a_batch_are_answered_in_order(backends: Backends, files: list[bytes]) -> None:
    inputs = [prepare(data, LIMITS, backends.openvino.traits.input_hw).pixels for data in files]
    for detector in _both(backends):
        alone = [detector.detect([picture], THRESHOLD, IOU)[0] for picture in inputs]
        together = detector.detect([*inputs, *inputs][:MAX_BATCH], THRESHOLD, IOU)
        for one, other in zip([*alone, *alone][:MAX_BATCH], together, strict=True):
            assert np.array_equal(one, other)


def test_picture_without_anything_has_no_rows(backends: Backends) -> None:
    blank = np.full((*backends.openvino.traits.input_hw, 3), 128, np.uint8)
    for detector in _both(backends):
        (rows,) = detector.detect([blank], 0.5, IOU)
        assert rows.shape == (0, 6)


def test_wide_and_narrow_streams_give_the_same_rows(backends: Backends, photo: bytes) -> None:
    picture = prepare(photo, LIMITS, backends.openvino.traits.input_hw).pixels
    requests = backends.openvino._requests
    alone = requests.infer(picture)
    requests._running += 1  # as if another lane were busy
    in_company = requests.infer(picture)
    requests._running -= 1
    # Other numbers of threads may add in another order: far less than what is answered.
    assert np.allclose(alone, in_company, atol=0.01)


def test_native_arithmetic_finds_the_same_objects(
    model: ExportedModel, backends: Backends, files: list[bytes]
) -> None:
    native = OpenvinoDetector(model, Precision.NATIVE, threads=0)
    rows = _in_frame(backends.openvino, files[2])
    sure = rows[rows[:, 4] > 0.5]
    assert len(sure) > 0
    found = _in_frame(native, files[2])
    for row in sure:
        assert max(_overlap(row, other) for other in found[found[:, 5] == row[5]]) > 0.85


def test_openvino_backend_needs_neither_torch_nor_ultralytics_nor_a_database(
    demo_model: Path,
) -> None:
    program = (
        "import sys; from pathlib import Path; import yolo_fetcher.app;"
        "from yolo_fetcher.detector import Precision;"
        "from yolo_fetcher.detectors.openvino_backend import OpenvinoDetector;"
        "from yolo_fetcher.models import read;"
        f"OpenvinoDetector(read(Path({str(demo_model)!r})), Precision.F32, threads=1);"
        "print(sorted({'torch', 'ultralytics', 'asyncpg', 'onnx'} & set(sys.modules)))"
    )
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert child.stdout.strip() == b"[]"


@pytest.mark.parametrize("tries", [3, pytest.param(40, marks=pytest.mark.long)])
def test_threads_that_use_a_model_first_do_not_wait_for_each_other_for_ever(
    demo_model: Path, tries: int
) -> None:
    for _ in range(tries):
        subprocess.run(
            [sys.executable, "-m", "tests.yolo_fetcher.first_use", str(demo_model)],
            check=True,
            timeout=120,
        )


def test_graph_that_is_no_detection_head_is_refused(demo_model: Path, tmp_path: Path) -> None:
    folder = _copy(demo_model, tmp_path)
    text = (folder / "metadata.yaml").read_text().replace("- 384", "- 320")
    (folder / "metadata.yaml").write_text(text)
    (graph,) = folder.glob("*.xml")
    graph.write_text("<?xml version='1.0'?><net name='x' version='11'></net>")
    for load in (_openvino, _ultralytics):
        with pytest.raises(ModelRefused, match="cannot load"):
            load(read(folder))


def _load(model: ExportedModel) -> Backends:
    return Backends(_openvino(model), _ultralytics(model))


def _openvino(model: ExportedModel) -> OpenvinoDetector:
    return OpenvinoDetector(model, Precision.F32, threads=0)


def _ultralytics(model: ExportedModel) -> UltralyticsDetector:
    return UltralyticsDetector(model, "cpu", Precision.F32)


def _both(backends: Backends) -> Sequence[Detector]:
    return (backends.openvino, backends.ultralytics)


def _in_frame(detector: Detector, data: bytes) -> Rows:
    """Return the rows of a file in pixels of the stored frame."""
    prepared = prepare(data, LIMITS, detector.traits.input_hw)
    (rows,) = detector.detect([prepared.pixels], THRESHOLD, IOU)
    return np.hstack((prepared.placement.to_frame(rows[:, :4]), rows[:, 4:]))


def _same(ours: Rows, theirs: Rows, *, pixels: float, confidence: float) -> int:
    """Assert that each sure row of one is in the other; return how many there were."""
    for rows, others in ((ours, theirs), (theirs, ours)):
        for row in rows[rows[:, 4] > THRESHOLD + MARGIN]:
            candidates = others[others[:, 5] == row[5]]
            assert len(candidates) > 0, row
            distances = np.abs(candidates[:, :4] - row[:4]).max(axis=1)
            nearest = candidates[distances.argmin()]
            assert distances.min() <= pixels
            assert abs(nearest[4] - row[4]) <= confidence
    return len(ours)


def _overlap(one: Rows, other: Rows) -> float:
    """Return the intersection over union of two rows' boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = sum(float((row[2] - row[0]) * (row[3] - row[1])) for row in (one, other))
    return float(width * height / (areas - width * height))


def _copy(folder: Path, target: Path) -> Path:
    copy = target / folder.name
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy
