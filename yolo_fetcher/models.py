"""The catalogue: exported models in a directory, each known by its name and its digest.

A model is a folder `NAME_openvino_model` (NAME.xml, NAME.bin) or `NAME_onnx_model` (NAME.onnx),
with the `metadata.yaml` that ultralytics writes beside an export. Files that execute code when
they are loaded (.pt, .pkl, …) are refused here and converted once, by an operator's hand, with
`pinhole model import`.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from pinhole.contract.detection import ModelId
from pinhole.contract.errors import Unprocessable

logger = logging.getLogger(__name__)

SUFFIXES: Final = ("_openvino_model", "_onnx_model")
METADATA: Final = "metadata.yaml"
# Formats that unpickle, or hold byte code, when they are loaded.
_EXECUTABLE: Final = frozenset(
    (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".torchscript", ".keras")
)
_MIN_PREFIX: Final = 12
_MAX_CLASS_NAME: Final = 100  # the contract's `Detection.class_name`


class ModelRefused(Unprocessable):
    """The folder is no exported detection model, or holds files that execute code."""

    reason = "MODEL_REFUSED"


class ModelUnknown(Unprocessable):
    """No model of that name or digest is in the catalogue."""

    reason = "MODEL_UNKNOWN"


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """One model on disk, verified to be loadable without executing anything."""

    id: ModelId
    folder: Path
    graph: Path
    """The .xml or .onnx file."""
    input_hw: tuple[int, int]
    class_names: Mapping[int, str]
    end_to_end: bool
    batch: int | None
    """Pictures that the graph takes at once; None where any number may be given."""

    def is_called(self, wanted: str) -> bool:
        """Whether `wanted` is this model's name, its digest, or the digest's first 12 digits."""
        return wanted == self.id.name or (
            len(wanted) >= _MIN_PREFIX and self.id.digest.startswith(wanted)
        )


def scan(directory: Path) -> list[ExportedModel]:
    """Return the models in `directory`, by name. Reads every file once, for the digests.

    A folder that cannot be used is left out, and the reason is logged.
    """
    models = []
    for folder in sorted(directory.glob("*_model")):
        try:
            models.append(read(folder))
        except ModelRefused as refusal:
            logger.warning("%s", refusal.details)
    return models


def find(models: Sequence[ExportedModel], wanted: str) -> ExportedModel:
    """Return the model that is called `wanted`.

    Raises:
        ModelUnknown: there is none.
    """
    for model in models:
        if model.is_called(wanted):
            return model
    known = ", ".join(model.id.name for model in models) or "none"
    raise ModelUnknown(f"no model is called {wanted[:80]!r}; the catalogue has: {known}")


def read(folder: Path) -> ExportedModel:
    """Return the model that `folder` holds.

    Raises:
        ModelRefused: it holds something that executes code, or is no export of a detector.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        if path.suffix.lower() in _EXECUTABLE:
            raise ModelRefused(
                f"{path} can execute code when it is loaded: convert it with `pinhole model import`"
            )
    graph = _graph(folder, files)
    metadata = _metadata(folder)
    return ExportedModel(
        id=ModelId(name=_name(folder), digest=digest(folder, files)),
        folder=folder,
        graph=graph,
        input_hw=metadata.input_hw,
        class_names=metadata.class_names,
        end_to_end=metadata.end_to_end,
        batch=metadata.batch,
    )


def digest(folder: Path, files: list[Path]) -> str:
    """Return the SHA-256, in hexadecimal, over each file's name and SHA-256 in sorted order.

    The same as `sha256sum` of the sorted files (one line each) piped into `sha256sum`.
    """
    total = hashlib.sha256()
    for path in sorted(files, key=lambda file: file.relative_to(folder).as_posix()):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{content}  {path.relative_to(folder).as_posix()}\n".encode())
    return total.hexdigest()


@dataclass(frozen=True, slots=True)
class _Metadata:
    input_hw: tuple[int, int]
    class_names: dict[int, str]
    end_to_end: bool
    batch: int | None


def _metadata(folder: Path) -> _Metadata:
    try:
        fields = yaml.safe_load((folder / METADATA).read_text())
        task = str(fields["task"])
        height_px, width_px = (int(side) for side in fields["imgsz"])
        dynamic = bool(dict(fields.get("args") or {}).get("dynamic"))
        batch = None if dynamic else int(fields.get("batch", 1))
        names = {int(key): _class_name(key, name) for key, name in dict(fields["names"]).items()}
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise ModelRefused(f"{folder / METADATA} does not describe a model: {error!r}") from error
    if task != "detect":
        raise ModelRefused(f"{folder} is a model for the task {task!r}; only 'detect' is served")
    end_to_end = bool(fields.get("end2end", False))
    return _Metadata((height_px, width_px), names, end_to_end, batch)


def _class_name(class_id: object, name: object) -> str:
    return str(name)[:_MAX_CLASS_NAME] or f"class {class_id}"


def _graph(folder: Path, files: list[Path]) -> Path:
    graphs = [path for path in files if path.suffix in (".xml", ".onnx")]
    if len(graphs) != 1:
        raise ModelRefused(f"{folder} holds {len(graphs)} graphs (.xml, .onnx); one is needed")
    graph = graphs[0]
    if graph.suffix == ".xml" and not graph.with_suffix(".bin").is_file():
        raise ModelRefused(f"{graph} has no weights: {graph.with_suffix('.bin').name} is missing")
    return graph


def _name(folder: Path) -> str:
    for suffix in SUFFIXES:
        if folder.name.endswith(suffix):
            return folder.name.removesuffix(suffix)
    raise ModelRefused(f"{folder} should be named NAME{SUFFIXES[0]} or NAME{SUFFIXES[1]}")
