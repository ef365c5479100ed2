"""Supervised background work: a task that ends or stands still turns the health check red.

aiohttp does not notice a background task that died; "running but not recording" is the failure
this module exists to make loud (blueprint invariant 11).
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from pinhole.contract.errors import Unavailable

logger = logging.getLogger(__name__)

RESTART_DELAY_S = 1.0


@dataclass
class Pulse:
    """The sign of life of one activity. Call `beat` whenever it made progress or had nothing to do.

    `working` marks that there is something to do: an idle activity never stalls.
    """

    name: str
    stalls_after_s: float
    last_beat: float = field(default_factory=time.monotonic)
    error: str | None = None
    restarts: int = 0

    def beat(self) -> None:
        """Say that the activity is alive."""
        self.last_beat = time.monotonic()
        if self.error is not None:
            logger.info("%s is well again", self.name)
            self.error = None

    def fail(self, error: str) -> None:
        """Say that the activity cannot do its work at present; the next beat clears it."""
        self.error = error

    @property
    def stalled_s(self) -> float:
        """Seconds since the last beat."""
        return time.monotonic() - self.last_beat

    @property
    def problem(self) -> str | None:
        """A sentence where the activity is not healthy, else None."""
        if self.error is not None:
            return self.error
        if self.stalled_s > self.stalls_after_s:
            return f"no progress for {self.stalled_s:.0f} s, the limit is {self.stalls_after_s:g} s"
        return None


class Supervisor:
    """Starts background tasks, restarts those that die, and knows which are unhealthy."""

    def __init__(self) -> None:
        self.pulses: dict[str, Pulse] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._expected: tuple[type[Exception], ...] = (Unavailable,)

    def expect(self, *errors: type[Exception]) -> None:
        """Say which errors are outages: a line at each change, not a traceback each second."""
        self._expected += errors

    def pulse(self, name: str, *, stalls_after_s: float) -> Pulse:
        """Return a pulse that the health check watches, for work that is not a task of ours."""
        pulse = Pulse(name, stalls_after_s)
        self.pulses[name] = pulse
        return pulse

    def start(
        self, name: str, work: Callable[[Pulse], Awaitable[None]], *, stalls_after_s: float
    ) -> Pulse:
        """Run `work(pulse)` until `stop`, again whenever it raises or returns."""
        pulse = self.pulse(name, stalls_after_s=stalls_after_s)
        self._tasks.append(asyncio.create_task(self._keep_running(pulse, work), name=name))
        return pulse

    async def stop(self) -> None:
        """Cancel every task and wait until all have ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self.pulses.clear()

    @property
    def problems(self) -> dict[str, str]:
        """Name and sentence of each activity that is not healthy."""
        return {name: p.problem for name, p in self.pulses.items() if p.problem is not None}

    async def _keep_running(self, pulse: Pulse, work: Callable[[Pulse], Awaitable[None]]) -> None:
        while True:
            try:
                await work(pulse)
                pulse.fail("ended by itself; it should run until the service stops")
            except Exception as error:
                # The top of a task: whatever it is, the task is started again, and health is red.
                problem = f"{type(error).__name__}: {error}"
                if not isinstance(error, self._expected):
                    logger.exception("background task %s failed", pulse.name)
                elif pulse.error is None:
                    logger.warning("%s waits: %s", pulse.name, problem)
                pulse.fail(problem)
            pulse.restarts += 1
            await asyncio.sleep(RESTART_DELAY_S)
