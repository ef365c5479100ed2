"""`pinhole model import`: from a .pt file, which can execute code, to a folder that cannot.

An operator runs it once, by hand. The file is loaded in a child process that has none of the
services' secrets in its environment; it still runs as the operator, which is what is printed.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from pinhole.contract.errors import PinholeError
from yolo_fetcher.detector import Precision
from yolo_fetcher.detectors.openvino_backend import OpenvinoDetector
from yolo_fetcher.export import EXPORTED
from yolo_fetcher.models import ExportedModel, read

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
# What a Python process and a download need; tokens, DSNs and keys are in other variables.
_PASSED_ON: Final = (
    "PATH", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH", "SSL_CERT_FILE",
    "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    "http_proxy", "https_proxy", "no_proxy",
)  # fmt: skip
_LOADED_ONCE: Final = (
    "is loaded once, now, in a process of its own that runs as you. Loading a .pt file executes"
    " what it contains"
)
_CHILD: Final = (sys.executable, "-W", "ignore", "-m", "yolo_fetcher.export")
_TIMEOUT_S: Final = 1800
_LAST_WORDS: Final = 500


class ImportFailed(PinholeError):
    """The model was not imported; nothing was left behind."""

    reason = "IMPORT_FAILED"


class Format(StrEnum):
    """The exported formats that services load."""

    OPENVINO = "openvino"
    ONNX = "onnx"


@dataclass(frozen=True, slots=True)
class Import:
    """What the operator asks for."""

    source: str
    """A name that ultralytics publishes (`yolo26n`) or the path of a .pt file."""
    models_dir: Path
    name: str | None = None
    imgsz: int = 640
    half: bool = False
    format: Format = Format.OPENVINO
    replace: bool = False


def import_model(wanted: Import, say: Callable[[str], None]) -> ExportedModel:
    """Convert a model and put it into the catalogue whole or not at all; return it.

    `say` is told what is trusted, before it is. Raises:
        ImportFailed: the file is missing or no model, there is no internet, a name is taken.
        ModelRefused: the converted model is no detector that services can run.
    """
    target = _target(wanted)
    wanted.models_dir.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the last step is a rename within one file system.
    with tempfile.TemporaryDirectory(dir=wanted.models_dir, prefix=".import-") as work:
        converted = _converted(wanted, Path(work), say).rename(Path(work) / target.name)
        OpenvinoDetector(read(converted), Precision.NATIVE, threads=0)  # it loads, or is refused
        if target.exists():
            shutil.rmtree(target)
        converted.rename(target)
    return read(target)


def _target(wanted: Import) -> Path:
    name = wanted.name or Path(wanted.source).stem.lower()
    if not _NAME.fullmatch(name):
        raise ImportFailed(f"{name!r} cannot be a model's name; choose one with --name")
    target = wanted.models_dir / f"{name}_{wanted.format}_model"
    if target.exists() and not wanted.replace:
        raise ImportFailed(f"{target} exists; give --replace, or another name with --name")
    return target


def _converted(wanted: Import, work: Path, say: Callable[[str], None]) -> Path:
    """Return the exported folder in `work`, made from the operator's file or a published one."""
    path = Path(wanted.source)
    if path.suffix == ".pt" and path.is_file():
        # The exporter writes beside its source; the operator's folder is not its place.
        source = work / path.name
        shutil.copyfile(path, source)
        say(f"{path} {_LOADED_ONCE}: import only files whose origin you trust.")
        say(_sha256(source))
        return _export(wanted, source.name, work)
    if path.suffix not in ("", ".pt") or path.name != wanted.source:
        raise ImportFailed(f"there is no .pt file {wanted.source}")
    source = work / f"{path.stem}.pt"
    say(
        f"{source.name} is fetched by ultralytics from github.com/ultralytics/assets over TLS,"
        f" and {_LOADED_ONCE}: you trust that address."
    )
    exported = _export(wanted, source.name, work)
    say(_sha256(source))
    return exported


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256 of {path.name}: {hashlib.file_digest(file, 'sha256').hexdigest()}"


def _export(wanted: Import, source: str, work: Path) -> Path:
    """Run the child in `work` and return the folder that it made."""
    environment = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
    half = "half" if wanted.half else "full"
    try:
        child = subprocess.run(  # noqa: S603 - our own module; the arguments are no options
            [*_CHILD, source, wanted.format, str(wanted.imgsz), half],
            cwd=work,
            env={**environment, "HOME": str(work)},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ImportFailed(f"the conversion did not end within {_TIMEOUT_S} s") from error
    if child.returncode != 0:
        last = (child.stderr.strip().splitlines() or ["no word on standard error"])[-1]
        raise ImportFailed(f"{wanted.source} was not imported: {last[:_LAST_WORDS]}")
    return work / EXPORTED
