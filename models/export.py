"""A checkpoint becomes the folder that services load: OpenVINO, weights in half precision."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any, Final

import yaml
from ultralytics.models import YOLO

from models.suppression import SuppressingDetect
from models.trainer import IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX

NAME: Final = "pinhole-demo"
FOLDER: Final = Path(__file__).parent / f"{NAME}_openvino_model"
DESCRIPTION: Final = "YOLO26n trained on rendered street and gate scenes of Pinhole"


def export(checkpoint: Path, scratch: Path, target: Path = FOLDER) -> Path:
    """Export `checkpoint` and puts the result in the place of `target` in one step.

    The input is fixed at 1 x 3 x 384 x 640; the output is 1 x 300 x 6 (x_min, y_min, x_max, y_max,
    confidence, class id), already without doubles, see `suppression`.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    # Ultralytics names the export after the checkpoint.
    named = scratch / f"{NAME}.pt"
    shutil.copyfile(checkpoint, named)
    model = YOLO(named)
    network: Any = model.model
    SuppressingDetect.replace(network.model[-1])
    made = Path(
        model.export(
            format="openvino",
            imgsz=[IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX],
            quantize=16,
            dynamic=False,
            # Boxes without doubles: `SuppressingDetect` answers in the one-to-one head's place.
            nms=False,
        )
    )
    _tidy_metadata(made / "metadata.yaml")
    return replace_folder(made, target)


def replace_folder(made: Path, target: Path) -> Path:
    """Copy `made` beside `target`, then swaps by renaming, so that no reader sees half of it."""
    fresh, old = target.with_name(target.name + ".new"), target.with_name(target.name + ".old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(made, fresh)
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    return target


def folder_digest(folder: Path) -> str:
    """Return the digest services know the model by: `sha256sum * | sha256sum` inside the folder.

    Source: `yolo_fetcher.models.digest`; a test holds the two together.
    """
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _tidy_metadata(path: Path) -> None:
    """Take out what tells about the machine that exported and makes each export differ."""
    metadata = yaml.safe_load(path.read_text())
    metadata["description"] = DESCRIPTION
    metadata["author"] = "Pinhole"
    metadata["docs"] = "models/README.md"
    metadata.pop("date", None)
    path.write_text(yaml.safe_dump(metadata, sort_keys=False))
