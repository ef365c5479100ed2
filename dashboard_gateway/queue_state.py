"""How much waits, measured now and then for `/metrics`."""

import asyncio
from typing import Final

from dashboard_gateway.dispatch_metrics import FRAMES, JOBS, OLDEST_JOB_SECONDS
from pinhole.runtime.postgres import Pool
from pinhole.runtime.tasks import Pulse

EVERY_S: Final = 5.0

JOBS_NOW = """
    SELECT entrypoint, status::text AS state, count(*) AS jobs,
        COALESCE(extract(epoch FROM now() - min(execute_after)
            FILTER (WHERE status = 'queued' AND execute_after <= now())), 0)::float8 AS due_s
    FROM dashboard.pgqueuer GROUP BY entrypoint, status
"""
# Counted in the partial indexes of their states: the settled many are in none of them.
FRAMES_NOW = """
    SELECT 'awaited' AS state, count(*) AS frames FROM dashboard.frames
        WHERE bytes_state = 'awaited'
    UNION ALL SELECT 'missing', count(*) FROM dashboard.frames WHERE bytes_state = 'missing'
    UNION ALL SELECT analysis_state::text, count(*) FROM dashboard.frames
        WHERE analysis_state IN ('waiting', 'failed') GROUP BY analysis_state
    UNION ALL SELECT 'chain pending', count(*) FROM dashboard.frames
        WHERE chain_state = 'pending'
"""
_STATES: Final = ("awaited", "missing", "waiting", "failed", "chain pending")


class QueueState:
    """Measures the queue and the frames that are on their way."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def run(self, pulse: Pulse) -> None:
        """Measure every 5 s, for ever."""
        while True:
            await self.measure()
            pulse.beat()
            await asyncio.sleep(EVERY_S)

    async def measure(self) -> None:
        """Set the gauges to what is true now."""
        jobs = await self._pool.fetch(JOBS_NOW)
        JOBS.clear()
        for row in jobs:
            JOBS.labels(row["entrypoint"], row["state"]).set(row["jobs"])
        OLDEST_JOB_SECONDS.set(max((row["due_s"] for row in jobs), default=0))
        counted = {row["state"]: row["frames"] for row in await self._pool.fetch(FRAMES_NOW)}
        for state in _STATES:
            FRAMES.labels(state).set(counted.get(state, 0))
