"""The worker: continues pins that wait for another attempt, or whose process was killed."""

import asyncio
from datetime import timedelta
from typing import Final

from pinhole.runtime.postgres import Pool
from pinhole.runtime.tasks import Pulse
from pinning import metrics, schedule
from pinning.attempts import Attempts
from pinning.hub import Hub

MAX_RUNNING: Final = 500
_POLL_S: Final = 0.25
_MEASURE_EVERY: Final = 20  # polls: every 5 s


class Worker:
    """Takes up pins whose time has come. Several workers share one table: a row goes to one."""

    def __init__(self, pool: Pool, hub: Hub, attempts: Attempts, *, lease: timedelta) -> None:
        self._pool = pool
        self._hub = hub
        self._attempts = attempts
        self._lease = lease

    async def run(self, pulse: Pulse) -> None:
        """Look four times a second, for ever."""
        polls = 0
        while True:
            await self.take_up()
            if polls % _MEASURE_EVERY == 0:
                await metrics.measure(self._pool)
            polls += 1
            pulse.beat()
            await asyncio.sleep(_POLL_S)

    async def take_up(self) -> None:
        """Begin attempts at what is due, as many as this process has room for."""
        room = MAX_RUNNING - self._attempts.running
        if room <= 0 or not self._hub.is_up:
            return
        for want in await schedule.take_up(self._pool, room, self._lease):
            self._attempts.begin(want)
