"""The child process of `pinhole model import`: the only place where a .pt file is loaded.

`python -m yolo_fetcher.export SOURCE FORMAT IMGSZ HALF` works in the current directory, which the
parent made for it and removes. It leaves a folder `export/` there, or ends with one sentence on
standard error.
"""

import ast
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

from yolo_fetcher.models import METADATA

EXPORTED = "export"


def main(source: str, export_format: str, imgsz: str, half: str) -> None:
    """Fetch SOURCE if it is a name, load it, and export it to `export/`."""
    # Nothing is installed on the way, and no settings file is left in a home.
    os.environ.update(YOLO_AUTOINSTALL="false", YOLO_CONFIG_DIR=str(Path.cwd()))
    try:
        from ultralytics.models import YOLO  # noqa: PLC0415 - slow, and absent from slim installations
    except ImportError:
        sys.exit("converting a model needs ultralytics: pip install 'pinhole[yolo]'")
    try:
        model = YOLO(source, task="detect")
    except (ConnectionError, FileNotFoundError) as error:
        sys.exit(
            f"{source} could not be fetched ({type(error).__name__}): without internet here, fetch"
            f" it elsewhere and give its file: pinhole model import FILE.pt"
        )
    exported = Path(
        model.export(
            format=export_format,
            imgsz=int(imgsz),
            quantize=16 if half == "half" else None,
            # The end-to-end head of YOLO26, which needs no suppression of doubles; models without
            # one are exported with the head they have.
            nms=False,
            # ONNX is for GPUs, which want several pictures at once.
            dynamic=export_format == "onnx",
            verbose=False,
        )
    )
    if exported.is_dir():
        exported.rename(EXPORTED)
    else:
        _wrap_onnx(exported)


def _wrap_onnx(graph: Path) -> None:
    """Put an ONNX file into a folder, and what it says about itself beside it."""
    import onnx  # noqa: PLC0415 - only this format needs it

    # ultralytics writes each value as Python's repr into the file.
    fields = {
        entry.key: _value(entry.value)
        for entry in onnx.load(graph, load_external_data=False).metadata_props
    }
    folder = Path(EXPORTED)
    folder.mkdir()
    shutil.move(graph, folder / graph.name)
    (folder / METADATA).write_text(yaml.safe_dump(fields, sort_keys=False))


def _value(text: str) -> Any:  # noqa: ANN401 - numbers, lists and dicts
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


if __name__ == "__main__":
    main(*sys.argv[1:])
