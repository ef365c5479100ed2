"""The camera's threads: supervised, restarted when they die, stopped in the order of a frame."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from pinhole.runtime.tasks import Pulse

logger = logging.getLogger(__name__)

RESTART_DELAY_S = 1.0
_SIGN_OF_LIFE_S = 5.0
# What each part may have at least, where one before it used up the time (a camera that hangs).
_LEAST_JOIN_S = 0.5


@dataclass
class Part(Pulse):
    """A pulse that also tells what it waits for while it is healthy (a hub that is away)."""

    note: str | None = None

    def beat(self) -> None:
        """Say that the part is alive and has what it needs."""
        super().beat()
        self.note = None

    def lives(self) -> None:
        """Say that the part is alive; whatever it lacked, it may still lack."""
        self.last_beat = time.monotonic()

    def waits(self, note: str) -> None:
        """Say that the part is alive, and what it waits for that is not its own fault."""
        super().beat()
        self.note = note

    @property
    def state(self) -> str:
        """One line: the problem, or the note, or `ok`."""
        return self.problem or self.note or "ok"


def wait_saying(part: Part, note: str, ends: threading.Event, pause_s: float) -> None:
    """Wait for `ends`, at most `pause_s`, showing all the while that it is a wait, not a stall."""
    until_s = time.monotonic() + pause_s
    while (left_s := until_s - time.monotonic()) > 0:
        part.waits(note)
        if ends.wait(min(left_s, _SIGN_OF_LIFE_S)):
            return


Work = Callable[[Part, threading.Event], None]
"""What a thread does: beats its part, and returns soon after the event is set."""


@dataclass
class _Worker:
    part: Part
    stopping: threading.Event
    thread: threading.Thread
    wake: Callable[[], None]


class Workers:
    """Runs each `Work` in a thread of its own and knows how it is."""

    def __init__(self) -> None:
        self._workers: list[_Worker] = []

    @property
    def parts(self) -> dict[str, Part]:
        """Every part by its name."""
        return {worker.part.name: worker.part for worker in self._workers}

    def start(
        self,
        name: str,
        work: Work,
        *,
        stalls_after_s: float,
        wake: Callable[[], None] = lambda: None,
    ) -> Part:
        """Run `work` until `stop`, again whenever it raises or returns by itself.

        `wake` cuts short a wait that does not end with the event by itself.
        """
        part, stopping = Part(name, stalls_after_s), threading.Event()
        thread = threading.Thread(
            target=_keep_running, args=(part, work, stopping), name=name, daemon=True
        )
        self._workers.append(_Worker(part, stopping, thread, wake))
        thread.start()
        return part

    def stop(self, within_s: float) -> bool:
        """Stop all, first started first, so that each can finish what the one before left it.

        Returns:
            Whether all had ended within `within_s`. What did not end is left to die with the
            process, which loses nothing: every step may be cut off anywhere.
        """
        deadline_s = time.monotonic() + within_s
        for worker in self._workers:
            worker.stopping.set()
            worker.wake()
            worker.thread.join(max(_LEAST_JOIN_S, deadline_s - time.monotonic()))
        return not any(worker.thread.is_alive() for worker in self._workers)


def _keep_running(part: Part, work: Work, stopping: threading.Event) -> None:
    while not stopping.is_set():
        try:
            work(part, stopping)
            if not stopping.is_set():
                part.fail("ended by itself; it should run until the camera stops")
        except Exception as error:
            # The top of a thread: whatever it is, the camera records on and its health says so.
            if stopping.is_set():
                return
            logger.exception("the part %s failed", part.name)
            part.fail(f"{type(error).__name__}: {error}")
        part.restarts += 1
        stopping.wait(RESTART_DELAY_S)
