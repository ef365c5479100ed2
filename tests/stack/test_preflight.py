"""What would stop a start is said in one sentence before anything is started."""

import importlib.util
import shutil
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from pinhole.stack import preflight
from pinhole.stack.failure import StackFailure


def test_a_machine_with_everything_passes(tmp_path: Path) -> None:
    preflight.check(tmp_path)


def test_a_full_disk_is_refused_with_the_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=120_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(StackFailure, match=r"has 0\.12 GB of free disk, at least 1 GB is needed"):
        preflight.check(tmp_path)


def test_a_missing_package_is_named_with_what_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec

    def without_openvino(name: str) -> ModuleSpec | None:
        return None if name == "openvino" else find(name)

    monkeypatch.setattr(importlib.util, "find_spec", without_openvino)
    with pytest.raises(StackFailure, match=r"the detector needs .*`openvino`.*pinhole\[up\]"):
        preflight.check(tmp_path)
