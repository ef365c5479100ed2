"""Run a camera that kills itself at one step: `killed_at.py STEP before|after COUNT`."""

import functools
import itertools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from camera_uploader.app import run
from camera_uploader.hub import Hub
from camera_uploader.node import Node
from camera_uploader.settings import CameraSettings
from camera_uploader.sources.directory import DirectorySource
from camera_uploader.spool.events import Events

STEPS = {
    "put": Node,
    "pin": Node,
    "append": Events,
    "kept": DirectorySource,
    "deliver": Hub,
    "record_delivery": Events,
    "settle": Events,
}


def arm(step: str, when: str, count: int) -> None:
    """Make the `count`-th call of a step end the process, before or after it is done."""
    owner = STEPS[step]
    original: Callable[..., Any] = getattr(owner, step)
    calls = itertools.count(1)

    @functools.wraps(original)
    def deadly(*arguments: Any, **options: Any) -> Any:
        dies = next(calls) == count
        if dies and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments, **options)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, step, deadly)


if __name__ == "__main__":
    arm(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    run(CameraSettings.from_environment())
