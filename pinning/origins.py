"""Where cameras serve their blocks: the table, written by enrolment and by nothing else."""

import time
from typing import Final

import asyncpg

from pinhole.contract.owners import Owner
from pinhole.contract.pins import Origin
from pinhole.runtime.postgres import Pool

CACHE_S: Final = 1.0
"""How long a record is believed: a revoked camera is not dialled after this."""

PUT = """
    INSERT INTO pinning.origins (owner, peer_id, gateway_url, addresses) VALUES ($1, $2, $3, $4)
    ON CONFLICT (owner) DO UPDATE SET peer_id = excluded.peer_id, updated_at = now(),
        gateway_url = excluded.gateway_url, addresses = excluded.addresses
"""
FIND = "SELECT peer_id, gateway_url, addresses FROM pinning.origins WHERE owner = $1"
DELETE = "DELETE FROM pinning.origins WHERE owner = $1 RETURNING owner"


class Origins:
    """The table of origins, read through a cache of one second."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._cache: dict[Owner, tuple[float, Origin | None]] = {}

    async def put(self, owner: Owner, origin: Origin) -> None:
        """Set where the owner's blocks are."""
        await self._pool.execute(
            PUT, owner.text, origin.peer_id, origin.gateway_url, origin.addresses
        )
        self._cache.pop(owner, None)

    async def find(self, owner: Owner) -> Origin | None:
        """Return where the owner's blocks are, at most `CACHE_S` old."""
        now = time.monotonic()
        cached = self._cache.get(owner)
        if cached is not None and now - cached[0] < CACHE_S:
            return cached[1]
        row = await self._pool.fetchrow(FIND, owner.text)
        origin = _origin(row) if row is not None else None
        self._cache[owner] = (now, origin)
        return origin

    async def delete(self, owner: Owner) -> bool:
        """Forget where the owner's blocks are; return whether it was known."""
        self._cache.pop(owner, None)
        return await self._pool.fetchval(DELETE, owner.text) is not None


def _origin(row: asyncpg.Record) -> Origin:
    return Origin(
        peer_id=row["peer_id"], gateway_url=row["gateway_url"], addresses=row["addresses"]
    )
