"""`pinhole model …`: the operator's commands about models."""

import argparse
import os
import sys
from pathlib import Path

from pinhole.runtime.commands import Commands
from yolo_fetcher.models import ExportedModel, scan


def register(commands: Commands) -> None:
    """Add `pinhole model` to the command line."""
    model = commands.add_parser("model", help="import and list the detector's models")
    actions = model.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_import(actions)
    listing = actions.add_parser("list", help="list the catalogue with digests")
    _add_directory(listing)
    listing.set_defaults(run=_list)


def _add_import(actions: Commands) -> None:
    parser = actions.add_parser(
        "import",
        help="convert a .pt file, or fetch and convert a published model",
        description="Services load exported models only, because loading a .pt file executes what"
        " it contains. This converts one, once, by your hand.",
    )
    parser.add_argument("source", metavar="NAME|FILE.pt", help="`yolo26n`, or a file of yours")
    parser.add_argument("--name", help="name in the catalogue (default: the source's)")
    parser.add_argument(
        "--imgsz", type=int, default=640, help="side of the model's input in pixels (640)"
    )
    parser.add_argument("--half", action="store_true", help="store weights in 16 bits")
    parser.add_argument(
        "--format", choices=("openvino", "onnx"), default="openvino", help="(openvino)"
    )
    parser.add_argument("--replace", action="store_true", help="replace a model of that name")
    _add_directory(parser)
    parser.set_defaults(run=_import)


def _add_directory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--models-dir",
        type=Path,
        default=Path(os.environ.get("YOLO_MODELS_DIR", "models")),
        help="directory of the catalogue (YOLO_MODELS_DIR, or ./models)",
    )


def _import(arguments: argparse.Namespace) -> int:
    # Here and not above: `pinhole --help` should not wait for OpenVINO to be imported.
    from yolo_fetcher.importer import Format, Import, import_model  # noqa: PLC0415

    wanted = Import(
        source=arguments.source,
        models_dir=arguments.models_dir,
        name=arguments.name,
        imgsz=arguments.imgsz,
        half=arguments.half,
        format=Format(arguments.format),
        replace=arguments.replace,
    )
    model = import_model(wanted, _say)
    _say(f"imported: {_line(model)}\nuse it with YOLO_MODEL={model.id.name}")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    for model in scan(arguments.models_dir):
        _say(_line(model))
    return 0


def _line(model: ExportedModel) -> str:
    head = "end to end" if model.end_to_end else "with suppression"
    height_px, width_px = model.input_hw
    return (
        f"{model.id.name}  {model.id.digest}  {width_px}x{height_px} px,"
        f" {len(model.class_names)} classes, {head}"
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
