"""What a delivery left in the tables, counted."""

from pinhole.runtime.postgres import Pool
from tests.dashboard_gateway.receiving.sending import rows

STORED = """
    SELECT (SELECT count(*) FROM dashboard.frames) AS frames,
        (SELECT count(*) FROM dashboard.deliveries) AS deliveries,
        (SELECT count(*) FROM dashboard.streams) AS streams,
        (SELECT count(*) FROM dashboard.absences) AS absences
"""


async def stored(pool: Pool) -> dict[str, int]:
    """Return how many rows a delivery may have left."""
    (row,) = await rows(pool, STORED)
    return row


NOTHING = {"frames": 0, "deliveries": 0, "streams": 0, "absences": 0}
FRAME_JOBS = "SELECT count(*) FROM dashboard.pgqueuer WHERE entrypoint = 'frames'"
