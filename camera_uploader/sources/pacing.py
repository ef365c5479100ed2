"""Playing in real time."""

import threading
import time


class Pace:
    """Waits for points on a time line that began when it was made.

    A point that is passed already is reached at once. One that is passed by more than half a
    second moves the line: a consumer that was held up is not followed by a burst.
    """

    LONGEST_WAIT_S = 0.5
    MOVES_AFTER_S = 0.5

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._began_s = time.monotonic()

    def reached(self, at_s: float) -> bool:
        """Wait for `at_s` on the line, at most half a second; return whether it is reached."""
        missing_s = self._began_s + at_s - time.monotonic()
        if missing_s > 0:
            self._stopping.wait(min(missing_s, self.LONGEST_WAIT_S))
            missing_s = self._began_s + at_s - time.monotonic()
        if missing_s < -self.MOVES_AFTER_S:
            self._began_s -= missing_s
        return missing_s <= 0 and not self._stopping.is_set()
