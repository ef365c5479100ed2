"""Steps: counted work of a phase, written down a few times a second, and a sign of life."""

import time
from typing import Final
from uuid import UUID

from pinhole.runtime.postgres import Pool
from pinhole.runtime.tasks import Pulse
from pinning.reconciling import runs

_EVERY_S: Final = 0.5
# Looking at the clock for each of a million lines costs more than the line.
_LOOK_EVERY: Final = 256


class Steps:
    """How far one phase of a run is."""

    def __init__(self, pool: Pool, run_id: UUID, pulse: Pulse, *, done: int = 0) -> None:
        self._pool = pool
        self._run_id = run_id
        self._pulse = pulse
        self._next_at = 0.0
        self.done = done

    async def step(self, count: int = 1) -> None:
        """Count work done."""
        before = self.done
        self.done += count
        if before // _LOOK_EVERY != self.done // _LOOK_EVERY or count > 1:
            await self._tell()

    async def _tell(self) -> None:
        now = time.monotonic()
        self._pulse.beat()
        if now >= self._next_at:
            self._next_at = now + _EVERY_S
            await runs.progress(self._pool, self._run_id, self.done)
