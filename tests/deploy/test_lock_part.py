"""deploy/docker/lock_part.py: what is installed by hash, and what from PyTorch's own index."""

import subprocess
import sys

import pytest

from tests.deploy.composition import ROOT

SCRIPT = ROOT / "deploy" / "docker" / "lock_part.py"
LOCK = ROOT / "requirements" / "yolo.lock"


def part(*arguments: str) -> str:
    command = [sys.executable, str(SCRIPT), *arguments, str(LOCK)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def names(lock: str) -> list[str]:
    return [line.split("==")[0] for line in lock.splitlines() if line[:1].isalpha()]


def test_torch_is_named_in_the_locks_versions_without_hashes() -> None:
    torch, vision = part("torch").splitlines()
    lock = LOCK.read_text(encoding="utf-8")
    assert torch.startswith("torch==")
    assert vision.startswith("torchvision==")
    assert f"\n{torch} ;" in lock
    assert f"\n{vision} ;" in lock


def test_everything_else_keeps_its_hashes() -> None:
    rest = part("without-torch")
    requirements = rest.count("==")
    assert requirements > 50
    assert len(names(rest)) + names(rest).count("") > 50
    for block in rest.split("\n    # via")[0].split("\n"):
        assert block.startswith(("    --hash=sha256:", *names(rest)[:1])), block
    assert {"ultralytics", "openvino", "numpy", "nvidia-ml-py", "sympy"} <= set(names(rest))


def test_nothing_that_only_a_gpu_needs_is_left() -> None:
    whole, rest = names(LOCK.read_text(encoding="utf-8")), names(part("without-torch"))
    left_out = set(whole) - set(rest)
    assert {"torch", "torchvision", "triton"} <= left_out
    for name in left_out - {"torch", "torchvision", "triton"}:
        assert name.startswith(("nvidia-", "cuda-")), name


def test_one_requirement_can_be_had_alone() -> None:
    setuptools = part("only", "setuptools")
    assert setuptools.startswith("setuptools==")
    assert "--hash=sha256:" in setuptools
    assert len(names(setuptools)) == 1


def test_a_command_that_is_none_says_what_there_is() -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        part("everything")
    assert "without-torch" in failed.value.stderr
