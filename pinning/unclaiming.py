"""Unclaiming: pushed bytes that no pin claimed within 24 hours are let go."""

import asyncio
from datetime import UTC, datetime
from typing import Final

from pinhole.runtime.postgres import Pool
from pinhole.runtime.tasks import Pulse
from pinning import departures
from pinning.departures import NOTHING, Dropped

BATCH: Final = 200


class Unclaiming:
    """Lets go what is past its time."""

    def __init__(self, pool: Pool, *, every_s: float) -> None:
        self._pool = pool
        self._every_s = every_s

    async def run(self, pulse: Pulse) -> None:
        """Look again and again, for ever."""
        while True:
            await self.expire()
            pulse.beat()
            await asyncio.sleep(self._every_s)

    async def expire(self) -> Dropped:
        """Let go all whose time has come; return what went."""
        total, now = NOTHING, datetime.now(UTC)
        while dropped := await departures.drop_unclaimed(self._pool, now, BATCH):
            total += dropped
        return total
