"""The catalogue: what may be loaded, under which name and digest."""

import hashlib
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from models.export import folder_digest
from yolo_fetcher.models import ModelRefused, ModelUnknown, find, read, scan


@pytest.fixture
def copied(demo_model: Path, tmp_path: Path) -> Path:
    """Give a copy of the demo model that a test may spoil."""
    return Path(shutil.copytree(demo_model, tmp_path / demo_model.name))


def test_model_is_known_by_its_name_and_the_digest_of_its_files(demo_model: Path) -> None:
    model = read(demo_model)
    assert model.id.name == "pinhole-demo"
    assert model.id.digest == folder_digest(demo_model)
    assert model.input_hw == (384, 640)
    assert model.end_to_end
    assert model.class_names[2] == "car"


def test_digest_is_what_sha256sum_says_of_the_sorted_files(copied: Path) -> None:
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(copied.iterdir())
    ]
    assert read(copied).id.digest == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_one_changed_byte_is_another_model(copied: Path, demo_model: Path) -> None:
    weights = copied / "pinhole-demo.bin"
    content = bytearray(weights.read_bytes())
    content[1000] ^= 1
    weights.write_bytes(content)
    assert read(copied).id.digest != read(demo_model).id.digest


@pytest.mark.parametrize("name", ["best.pt", "weights.PT", "extra.pkl", "a.torchscript", "b.ckpt"])
def test_files_that_can_execute_code_are_refused_unread(copied: Path, name: str) -> None:
    (copied / name).write_bytes(pickle.dumps("anything"))
    with pytest.raises(ModelRefused, match="pinhole model import"):
        read(copied)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda folder: (folder / "metadata.yaml").unlink(), "does not describe a model"),
        (lambda folder: (folder / "metadata.yaml").write_text("names: ["), "does not describe"),
        (lambda folder: (folder / "metadata.yaml").write_text("- 1"), "does not describe"),
        (lambda folder: (folder / "pinhole-demo.bin").unlink(), "has no weights"),
        (lambda folder: (folder / "pinhole-demo.xml").unlink(), "holds 0 graphs"),
        (lambda folder: (folder / "second.onnx").touch(), "holds 2 graphs"),
    ],
)
def test_folder_that_is_no_whole_export_is_refused(
    copied: Path, spoil: Callable[[Path], object], reason: str
) -> None:
    spoil(copied)
    with pytest.raises(ModelRefused, match=reason):
        read(copied)


def test_model_for_another_task_is_refused(copied: Path) -> None:
    metadata = copied / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("task: detect", "task: segment"))
    with pytest.raises(ModelRefused, match="'segment'"):
        read(copied)


def test_metadata_cannot_name_python_objects(copied: Path) -> None:
    (copied / "metadata.yaml").write_text("task: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(ModelRefused, match="does not describe a model"):
        read(copied)


def test_scan_leaves_out_what_cannot_be_used_and_says_why(
    copied: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = copied.parent / "bad_openvino_model"
    bad.mkdir()
    (bad / "bad.pt").touch()
    (copied.parent / "loose.pt").touch()
    assert [model.id.name for model in scan(copied.parent)] == ["pinhole-demo"]
    assert "can execute code" in caplog.text


def test_scan_of_a_directory_that_is_not_there_finds_nothing(tmp_path: Path) -> None:
    assert scan(tmp_path / "nothing") == []


def test_model_is_found_by_name_digest_and_12_digits_of_it(copied: Path) -> None:
    models = scan(copied.parent)
    digest = models[0].id.digest
    for wanted in ("pinhole-demo", digest, digest[:12]):
        assert find(models, wanted) is models[0]
    for wanted in ("yolo26n", digest[:11], digest + "0", "../pinhole-demo", ""):
        with pytest.raises(ModelUnknown, match="the catalogue has: pinhole-demo"):
            find(models, wanted)
