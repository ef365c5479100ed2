"""`pinhole model import`: one conversion, in a process of its own, whole or not at all."""

import argparse
import os
import pickle
from pathlib import Path

import pytest
from ultralytics.models import YOLO

from pinhole.contract.errors import PinholeError
from yolo_fetcher.commands import register
from yolo_fetcher.detector import Precision
from yolo_fetcher.detectors.openvino_backend import OpenvinoDetector
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


def test_onnx_export_runs_as_well_as_openvino(weights: Path, tmp_path: Path) -> None:
    _run(
        "import", weights, "--name", "m", "--imgsz", "160", "--format", "onnx", "--models-dir",
        tmp_path,
    )  # fmt: skip
    model = read(tmp_path / "m_onnx_model")
    assert model.graph.suffix == ".onnx"
    assert model.input_hw == (160, 160)
    assert OpenvinoDetector(model, Precision.F32, 1).traits.end_to_end


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


def test_file_that_is_no_model_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "page.pt").write_text("<html></html>")
    with pytest.raises(PinholeError, match=r"page\.pt was not imported: "):
        _run("import", tmp_path / "page.pt", "--models-dir", tmp_path / "models")


def _run(*arguments: str | Path) -> None:
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    parsed = parser.parse_args(["model", *map(str, arguments)])
    assert parsed.run(parsed) == 0
