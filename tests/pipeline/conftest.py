"""One whole stack for the tests that only look, with a watched directory and a rendered gate."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import RunningStack, running_stack


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the directory that the stack's camera `pictures` watches."""
    return tmp_path_factory.mktemp("watched") / "pictures"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, watched: Path) -> Iterator[RunningStack]:
    """Run everything: a rendered gate, and a camera on the watched directory."""
    watched.mkdir()
    home = tmp_path_factory.mktemp("home") / "pinhole"
    with running_stack(
        home, "--source", "synthetic:gate", "--source", f"dir:{watched}", "--fps", "2"
    ) as running:
        yield running
