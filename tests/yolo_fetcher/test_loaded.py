"""Models are loaded once, when first asked for, and only so many are kept."""

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from yolo_fetcher.detector import Rows, Traits
from yolo_fetcher.letterbox import Pixels
from yolo_fetcher.loaded import LoadedModels
from yolo_fetcher.models import ExportedModel, ModelUnknown


class Counted:
    """A detector that only knows which model it is; loading the real ones takes seconds each."""

    loads: list[str]

    def __init__(self, model: ExportedModel) -> None:
        self.loads.append(model.id.name)
        self.traits = Traits(model.input_hw, model.class_names, 1, 1, True, "counted")

    def detect(self, pictures: Sequence[Pixels], confidence: float, iou: float) -> list[Rows]:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def loads() -> list[str]:
    """What was loaded, in order."""
    Counted.loads = []
    return Counted.loads


@pytest.fixture
def directory(demo_model: Path, tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        _add(demo_model, tmp_path, name)
    return tmp_path


def _add(model: Path, directory: Path, name: str) -> None:
    folder = shutil.copytree(model, directory / f".{name}")
    (folder / "metadata.yaml").write_text(
        (folder / "metadata.yaml").read_text() + f"comment: {name}\n"
    )
    folder.rename(directory / f"{name}_openvino_model")


async def test_model_is_loaded_once_however_many_ask_at_once(
    directory: Path, loads: list[str]
) -> None:
    models = LoadedModels(directory, "a", Counted, keep=2)
    first, *others = await asyncio.gather(*(models.get(None) for _ in range(8)))
    assert all(other is first for other in others)
    assert (await models.get(first.model.id.digest)) is first
    assert loads == ["a"]


async def test_longest_unused_model_is_dropped(directory: Path, loads: list[str]) -> None:
    models = LoadedModels(directory, "a", Counted, keep=2)
    for name in ("a", "b", "a", "c", "a", "b"):
        assert (await models.get(name)).model.id.name == name
    assert loads == ["a", "b", "c", "b"]


async def test_model_imported_while_the_service_runs_is_found(
    directory: Path, demo_model: Path
) -> None:
    models = LoadedModels(directory, "a", Counted, keep=2)
    with pytest.raises(ModelUnknown, match="a, b, c"):
        await models.get("new")
    await asyncio.to_thread(_add, demo_model, directory, "new")
    assert (await models.get("new")).model.id.name == "new"
    assert [model.id.name for model in await models.catalogue()] == ["a", "b", "c", "new"]


async def test_digest_is_of_the_files_that_were_loaded_and_not_of_those_scanned_before(
    directory: Path,
) -> None:
    models = LoadedModels(directory, "a", Counted, keep=2)
    before = {model.id.name: model.id.digest for model in await models.catalogue()}
    with (directory / "b_openvino_model" / "metadata.yaml").open("a") as metadata:
        metadata.write("changed: in place\n")
    assert (await models.get("b")).model.id.digest != before["b"]
    assert (await models.get("a")).model.id.digest == before["a"]
