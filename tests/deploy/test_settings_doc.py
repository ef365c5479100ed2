"""docs/settings.md: every setting of every service, and every other variable that is read."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pinhole.runtime.settings import ProcessSettings
from tests.deploy.composition import ROOT
from tests.deploy.test_compose import SETTINGS

DOCUMENT = ROOT / "docs" / "settings.md"
PACKAGES = ("pinhole", "camera_uploader", "dashboard_gateway", "pinning", "yolo_fetcher")
# Whatever is run, built or composed; tests only set what these name.
FOLDERS = (*PACKAGES, "deploy", "tools", "bench", "models")
SOURCES = {".py", ".sh", ".yml", ".yaml"}
# The system's own words, which nobody sets for Pinhole.
SYSTEM = {"PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH"}


def test_the_document_is_what_the_code_says(tmp_path: Path) -> None:
    copy = tmp_path / "tools" / "docs" / "settings.py"
    copy.parent.mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    copy.write_bytes((ROOT / "tools" / "docs" / "settings.py").read_bytes())
    subprocess.run([sys.executable, copy], check=True, env={"PYTHONPATH": str(ROOT)})
    written = (tmp_path / "docs" / "settings.md").read_text(encoding="utf-8")
    assert DOCUMENT.read_text(encoding="utf-8") == written, "run tools/docs/settings.py"


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=list(SETTINGS))
def test_every_setting_says_what_it_is(settings: type[ProcessSettings]) -> None:
    for name, field in settings.model_fields.items():
        assert len(field.description or "") > 10, f"{settings.__name__}.{name}"


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=list(SETTINGS))
def test_every_number_has_bounds(settings: type[ProcessSettings]) -> None:
    for name, field in settings.model_fields.items():
        if field.annotation in (int, float):
            bounds = [rule for rule in field.metadata if type(rule).__name__ in {"Ge", "Gt"}]
            assert bounds, f"{settings.__name__}.{name} has no lower bound"


def test_every_variable_that_the_code_reads_is_in_it() -> None:
    documented = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", DOCUMENT.read_text(encoding="utf-8")))
    read = {
        (name, path)
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for name in _read_in(path)
    }
    missing = {name: path for name, path in read if name not in documented | SYSTEM}
    assert missing == {}


def test_every_variable_of_pinholes_own_name_is_in_it() -> None:
    documented = set(re.findall(r"`(PINHOLE_[A-Z_]+)`", DOCUMENT.read_text(encoding="utf-8")))
    named = {
        name
        for path in _sources()
        if path.suffix in SOURCES or path.name in {"Dockerfile", "Makefile"}
        for name in re.findall(r"\bPINHOLE_[A-Z][A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8"))
    }
    assert {"PINHOLE_PUBLISH", "PINHOLE_KUBO_PEERS", "PINHOLE_PASSWORD"} <= named
    assert named == documented


def _sources() -> list[Path]:
    files = [path for path in ROOT.iterdir() if path.is_file()]
    return files + [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]


def _read_in(path: Path) -> set[str]:
    """Return the names in `os.environ["NAME"]`, `os.environ.get("NAME")`, `os.getenv("NAME")`."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Subscript(value=ast.Attribute(attr="environ"), slice=ast.Constant(value=name)):
                names.add(name)
            case ast.Call(
                func=ast.Attribute(attr="get", value=ast.Attribute(attr="environ")),
                args=[ast.Constant(value=name), *_],
            ):
                names.add(name)
            case ast.Call(func=ast.Attribute(attr="getenv"), args=[ast.Constant(value=name), *_]):
                names.add(name)
    return {name for name in names if isinstance(name, str)}
