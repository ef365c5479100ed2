"""Waking frames whose bytes were not to be had: they came, or there is a new place to look."""

from typing import Final

from dashboard_gateway import queue
from pinhole.contract.cid import Cid
from pinhole.runtime.postgres import Connection, Pool

# More come to light by and by: each answer to the camera names 500 that are missing.
_MAX_REVIVED: Final = 6_400

PUSHED = """
    SELECT frame_id FROM dashboard.frames
    WHERE camera_id = $1 AND digest = $2 AND bytes_state IN ('awaited', 'missing')
    ORDER BY frame_id LIMIT $3
"""


async def revive_pushed(pool: Pool, camera_id: int, cid: Cid) -> int:
    """Send a camera's frames with these bytes on their way now; return how many there are."""
    async with pool.acquire() as connection, connection.transaction():
        rows = await connection.fetch(PUSHED, camera_id, cid.digest, _MAX_REVIVED)
        frame_ids = [row["frame_id"] for row in rows]
        await queue.enqueue_frames(connection, [frame_ids])
    return len(frame_ids)


MISSING = """
    SELECT frame_id FROM dashboard.frames
    WHERE camera_id = $1 AND bytes_state = 'missing' ORDER BY stream, seq LIMIT $2
"""


async def revive_camera(connection: Connection, camera_id: int) -> int:
    """Look again for everything missing of a camera; return how many frames that are."""
    rows = await connection.fetch(MISSING, camera_id, _MAX_REVIVED)
    await queue.enqueue_frames(connection, [[row["frame_id"] for row in rows]])
    return len(rows)


# A thousand at a time: neither a long lock nor a long notice.
RETRY_FAILED = """
    UPDATE dashboard.frames SET analysis_state = 'waiting', analysis_attempts = 0, reason = NULL,
        details = NULL
    WHERE frame_id IN (
        SELECT frame_id FROM dashboard.frames
        WHERE analysis_state = 'failed' AND bytes_state IN ('pinned', 'archived') AND frame_id > $1
        ORDER BY frame_id LIMIT 1000 FOR UPDATE SKIP LOCKED)
    RETURNING frame_id
"""
RETRY_MISSING = """
    UPDATE dashboard.frames SET pin_attempts = 0
    WHERE frame_id IN (
        SELECT frame_id FROM dashboard.frames
        WHERE bytes_state = 'missing' AND frame_id > $1
        ORDER BY frame_id LIMIT 1000 FOR UPDATE SKIP LOCKED)
    RETURNING frame_id
"""


async def retry_failed(pool: Pool) -> int:
    """Analyse every frame anew whose analysis was given up; return how many there are."""
    return await _retry(pool, RETRY_FAILED)


async def retry_missing(pool: Pool) -> int:
    """Look for every frame's bytes anew that are missing; return how many there are."""
    return await _retry(pool, RETRY_MISSING)


async def _retry(pool: Pool, statement: str) -> int:
    count, last = 0, 0
    while True:
        async with pool.acquire() as connection, connection.transaction():
            frame_ids = sorted(row["frame_id"] for row in await connection.fetch(statement, last))
            await queue.enqueue_frames(connection, [frame_ids])
        if not frame_ids:
            return count
        count, last = count + len(frame_ids), frame_ids[-1]
