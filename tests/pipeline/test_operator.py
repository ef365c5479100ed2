"""What an operator does to a whole stack that runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

from pinhole.contract.cid import Cid
from pinhole.stack.layout import HOME_VARIABLE
from pinning.tree import path_of
from tests.support.stack import RunningStack, pinhole

_ROOT = Path(__file__).parents[2]
_IMPORT = """
import sys
from pinhole import cli
from pinning.importing.commands import register
# As the installed entry point does it, wherever this runs from.
entry = type("Entry", (), {"name": "import", "load": lambda self: register})()
cli.entry_points = lambda group: [entry]
sys.exit(cli.main())
"""


def test_the_doctor_finds_every_node_of_the_stack_well(stack: RunningStack) -> None:
    answer = json.loads(pinhole(stack.layout.home, "doctor", "--json"))
    assert {node["name"] for node in answer["nodes"]} == {
        *("kubo-hub", "kubo-camera-gate", "kubo-camera-pictures"),
    }
    for node in answer["nodes"]:
        assert node["findings"] == [], node
        assert node["not_checked"] == [], node


def test_a_file_tree_is_imported_into_the_stack_without_any_setting(
    stack: RunningStack, tmp_path: Path, photo: bytes
) -> None:
    cid = Cid.of(photo)
    place = tmp_path / path_of(cid)
    place.parent.mkdir(parents=True)
    place.write_bytes(photo)
    done = subprocess.run(
        (sys.executable, "-c", _IMPORT, "import", str(tmp_path), "--owner", "token:store"),
        env={**os.environ, HOME_VARIABLE: str(stack.home)},
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "1 imported" in done.stdout
    (row,) = stack.query("SELECT cid, status::text FROM pinning.pins WHERE owner = 'token:store'")
    assert (bytes(row["cid"]), row["status"]) == (cid.binary, "pinned")
