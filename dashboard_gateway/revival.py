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
