"""Lines that say what is being done and how long it took, for a person who waits."""

import contextlib
import sys
import time
from collections.abc import Callable

# Says what happens now, in a few words.
Report = Callable[[str], None]


class Progress:
    """Prints one line an event, with the seconds since the start in front of it.

    Whole lines in order, flushed at once: the same on a terminal, in a log file and in CI.
    """

    def __init__(self) -> None:
        self._started_at = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since this was made."""
        return time.monotonic() - self._started_at

    def __call__(self, line: str) -> None:
        """Print `line` now; a reader that has gone (`| head`, a closed terminal) ends nothing."""
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.write(f"{self.elapsed_s:6.1f} s  {line}\n")
            sys.stdout.flush()
