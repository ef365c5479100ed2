"""The vendored scripts are what the registry has: unchanged, with their licences."""

import hashlib
import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "dashboard_gateway" / "static" / "vendor"
LISTED = json.loads((FOLDER / "vendored.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("entry", LISTED, ids=lambda entry: entry["package"])
def test_a_script_is_as_it_was_fetched_and_its_licence_lies_beside(entry: dict[str, str]) -> None:
    script = (FOLDER / entry["file"]).read_bytes()
    assert hashlib.sha256(script).hexdigest() == entry["sha256"]
    licence = " ".join((FOLDER / entry["licence_file"]).read_text(encoding="utf-8").split())
    granted = {"0BSD": "for any purpose with or without fee", "MIT": "to deal in the Software"}
    assert granted[entry["licence"]] in licence


def test_nothing_else_lies_there() -> None:
    listed = {name for entry in LISTED for name in (entry["file"], entry["licence_file"])}
    assert {path.name for path in FOLDER.iterdir()} == listed | {"vendored.json"}
