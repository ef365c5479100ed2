"""Telling pinning what was seen in frames: its policies decide on classes and confidence.

It runs beside the journeys, which do not wait for it: rows are written with the detections and
deleted when pinning has answered. Telling twice changes nothing.
"""

import asyncio
import logging
from collections import defaultdict
from typing import Final

import asyncpg

from dashboard_gateway.clients import NeighbourUnavailable, PinningClient, RequestRefused
from pinhole.contract.cid import Cid, Codec
from pinhole.contract.errors import NotFound
from pinhole.contract.owners import Owner
from pinhole.contract.pins import SeenFrame
from pinhole.runtime.postgres import Pool
from pinhole.runtime.tasks import Pulse

logger = logging.getLogger(__name__)

EVERY_S: Final = 1.0
_OUTAGE_S: Final = 5.0
_AT_ONCE: Final = 500

# A frame that is not pinned yet (detections came from an orchestrator) waits for its bytes.
TAKE = """
    SELECT u.frame_id, u.revision, f.owner, c.site, c.name, f.digest, f.codec, f.event_id,
           f.classes, f.max_confidence
    FROM dashboard.untold AS u JOIN dashboard.frames AS f USING (frame_id)
    JOIN dashboard.cameras AS c USING (camera_id)
    WHERE f.bytes_state NOT IN ('awaited', 'missing')
    ORDER BY u.frame_id LIMIT $1
"""
TOLD = """
    DELETE FROM dashboard.untold AS u USING unnest($1::bigint[], $2::integer[])
        AS t (frame_id, revision)
    WHERE u.frame_id = t.frame_id AND u.revision = t.revision
"""


class Telling:
    """Tells what was not told yet, oldest first, in batches by owner."""

    def __init__(self, pool: Pool, pinning: PinningClient) -> None:
        self._pool = pool
        self._pinning = pinning

    async def run(self, pulse: Pulse) -> None:
        """Tell every second, for ever."""
        while True:
            try:
                told = await self.tell()
            except NeighbourUnavailable:
                # Pinning's own pulse and the neighbours' say so; nothing is lost meanwhile.
                pulse.beat()
                await asyncio.sleep(_OUTAGE_S)
                continue
            pulse.beat()
            if told < _AT_ONCE:
                await asyncio.sleep(EVERY_S)

    async def tell(self) -> int:
        """Tell up to 500 frames; return how many.

        Raises:
            NeighbourUnavailable: pinning is away; what was not told stays written down.
        """
        rows = await self._pool.fetch(TAKE, _AT_ONCE)
        by_owner: defaultdict[Owner, list[asyncpg.Record]] = defaultdict(list)
        for row in rows:
            by_owner[_owner(row)].append(row)
        for owner, own in by_owner.items():
            try:
                await self._pinning.put_seen(owner, [_seen(row) for row in own])
            except (RequestRefused, NotFound) as error:
                # Asked again it would be refused again: policies then know less of these frames.
                logger.warning("pinning refused what was seen for %s: %s", owner, error.details)
            values = [row["frame_id"] for row in own], [row["revision"] for row in own]
            await self._pool.execute(TOLD, *values)
        return len(rows)


def _owner(row: asyncpg.Record) -> Owner:
    owner = row["owner"]
    return Owner.parse(owner) if owner else Owner.camera(row["site"], row["name"])


def _seen(row: asyncpg.Record) -> SeenFrame:
    return SeenFrame(
        cid=Cid(bytes(row["digest"]), Codec(row["codec"])),
        event_id=row["event_id"],
        # A comma separates classes in `meta`.
        classes=[name.replace(",", " ") for name in row["classes"]],
        max_confidence=row["max_confidence"],
    )
