"""`pinhole model import`: one conversion, in a process of its own, whole or not at all."""

import argparse
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from ultralytics.models import YOLO

from yolo_fetcher.commands import register
from yolo_fetcher.detector import Precision
from yolo_fetcher.detectors.openvino_backend import OpenvinoDetector
from yolo_fetcher.detectors.ultralytics_backend import MAX_BATCH, UltralyticsDetector
from yolo_fetcher.importer import ImportFailed
from yolo_fetcher.models import read


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a .pt file: a YOLO26n that has learned nothing."""
    path = tmp_path_factory.mktemp("weights") / "Mine v1.pt"
    YOLO("yolo26n.yaml").save(path)
    return path


def test_pt_file_becomes_a_model_of_the_catalogue(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models_dir = tmp_path / "models"
    _run("import", weights, "--name", "mine", "--imgsz", "320", "--models-dir", models_dir)
    told = capsys.readouterr().out
    model = read(models_dir / "mine_openvino_model")
    assert model.input_hw == (320, 320)
    assert model.end_to_end
    assert OpenvinoDetector(model, Precision.F32, 1).traits.end_to_end
    assert "executes what it contains" in told
    assert "sha256 of Mine v1.pt: " in told
    assert model.id.digest in told
    assert [path.name for path in models_dir.iterdir()] == ["mine_openvino_model"]
    with pytest.raises(ImportFailed, match="exists; give --replace"):
        _run("import", weights, "--name", "mine", "--models-dir", models_dir)
    _run("list", "--models-dir", models_dir)
    assert capsys.readouterr().out.startswith(f"mine  {model.id.digest}  320x320 px, 80 classes")


def test_onnx_model_runs_on_both_backends_and_takes_several_pictures_on_ultralytics(
    weights: Path, tmp_path: Path
) -> None:
    options = ("--name", "m", "--imgsz", "160", "--format", "onnx", "--models-dir")
    _run("import", weights, *options, tmp_path)
    model = read(tmp_path / "m_onnx_model")
    assert model.graph.suffix == ".onnx"
    assert model.input_hw == (160, 160)
    detectors = (
        OpenvinoDetector(model, Precision.F32, 1),
        UltralyticsDetector(model, "cpu", Precision.F32),
    )
    assert [detector.traits.max_batch for detector in detectors] == [1, MAX_BATCH]
    for detector in detectors:
        assert detector.traits.end_to_end
        found = detector.detect([np.zeros((160, 160, 3), np.uint8)] * 3, 0.0, 0.7)
        # An untrained head is sure of nothing, and has 300 rows all the same.
        assert [rows.shape for rows in found] == [(300, 6)] * 3


def test_what_a_pt_file_executes_sees_none_of_the_services_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str, ...]]:
            return os.system, (f"env > {tmp_path}/seen",)

    evil = tmp_path / "evil.pt"
    evil.write_bytes(pickle.dumps(Payload()))
    monkeypatch.setenv("YOLO_PINNING_TOKEN", "pnh_secret")
    monkeypatch.setenv("PINHOLE_POSTGRES_DSN", "postgresql://secret")
    with pytest.raises(ImportFailed, match="was not imported"):
        _run("import", evil, "--models-dir", tmp_path / "models")
    assert "PATH=" in (tmp_path / "seen").read_text()  # it did execute
    assert "secret" not in (tmp_path / "seen").read_text()
    assert list((tmp_path / "models").iterdir()) == []


def test_without_internet_a_published_name_ends_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port}")
    with pytest.raises(ImportFailed) as failure:
        _run("import", "yolo26n", "--models-dir", tmp_path)
    assert failure.value.details == (
        "yolo26n was not imported: yolo26n.pt could not be fetched (ConnectionError): without"
        " internet here, fetch it elsewhere and give its file: pinhole model import FILE.pt"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("nowhere/best.pt", "there is no .pt file nowhere/best.pt"),
        ("best.onnx", "there is no .pt file best.onnx"),
        ("Two Words", "'two words' cannot be a model's name"),
        ("../../etc", "there is no .pt file"),
    ],
)
def test_source_that_is_neither_a_file_nor_a_name_is_refused(
    tmp_path: Path, source: str, sentence: str
) -> None:
    with pytest.raises(ImportFailed, match=sentence):
        _run("import", source, "--models-dir", tmp_path)


def _run(*arguments: str | Path) -> None:
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    parsed = parser.parse_args(["model", *map(str, arguments)])
    assert parsed.run(parsed) == 0
