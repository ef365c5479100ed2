"""Frames that are on their way and have no job: found now and then, and given one.

There should be none. A job whose own bookkeeping failed while PostgreSQL was away, or an operator's
hand in the table, would leave a frame where nobody looks: nothing acknowledged may be lost so.
"""

import asyncio
import logging
from collections import defaultdict
from typing import Final

from prometheus_client import Counter

from dashboard_gateway import queue
from pinhole.runtime.postgres import Pool
from pinhole.runtime.tasks import Pulse

logger = logging.getLogger(__name__)

ORPHANS: Final = Counter(
    "pinhole_orphans_total", "Frames that had lost their job and got a new one."
)

EVERY_S: Final = 30.0
OLDER_THAN_S: Final = 60.0
_AT_ONCE: Final = 1_000
_LOCK: Final = 0x6F_72_70_68  # "orph"

TRY_LOCK = "SELECT pg_try_advisory_xact_lock($1)"
FIND = """
    WITH named AS (
        SELECT unnest(string_to_array(convert_from(payload, 'UTF8'), ','))::bigint AS frame_id
        FROM dashboard.pgqueuer
        WHERE entrypoint IN ('frames', 'analyses') AND status IN ('queued', 'picked')
    ), unsettled AS (
        SELECT frame_id, camera_id FROM dashboard.frames
        WHERE bytes_state = 'awaited' AND received_at < now() - make_interval(secs => $1)
        UNION
        SELECT frame_id, camera_id FROM dashboard.frames
        WHERE analysis_state = 'waiting' AND bytes_state IN ('pinned', 'archived')
          AND received_at < now() - make_interval(secs => $1)
    )
    SELECT frame_id, camera_id FROM unsettled
    WHERE NOT EXISTS (SELECT FROM named WHERE named.frame_id = unsettled.frame_id)
    ORDER BY frame_id LIMIT $2
"""


class Orphans:
    """Looks for frames without a job; one process at a time does."""

    def __init__(self, pool: Pool, *, older_than_s: float = OLDER_THAN_S) -> None:
        self._pool = pool
        self._older_than_s = older_than_s

    async def run(self, pulse: Pulse) -> None:
        """Look every 30 s, for ever."""
        while True:
            await self.adopt()
            pulse.beat()
            await asyncio.sleep(EVERY_S)

    async def adopt(self) -> int:
        """Give every orphan a job; return how many there were."""
        async with self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(TRY_LOCK, _LOCK):
                return 0
            rows = await connection.fetch(FIND, self._older_than_s, _AT_ONCE)
            by_camera: defaultdict[int, list[int]] = defaultdict(list)
            for row in rows:
                by_camera[row["camera_id"]].append(row["frame_id"])
            await queue.enqueue_frames(connection, by_camera.values())
        if rows:
            logger.warning("%d frames had no job and got one", len(rows))
            ORPHANS.inc(len(rows))
        return len(rows)
