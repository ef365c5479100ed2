"""Ending pins by the hundred, as a policy's batch does (pinning/retention/expiry.py)."""

from collections.abc import Sequence
from uuid import UUID

from pinhole.contract.cid import Cid
from pinhole.contract.owners import Owner
from pinhole.runtime.postgres import Pool
from pinning import departures
from pinning.departures import Dropped
from pinning.locks import lock
from pinning.wants import Want

CIDS = "SELECT DISTINCT cid FROM pinning.pins WHERE requestid = ANY ($1::uuid[])"
END = "DELETE FROM pinning.pins WHERE requestid = ANY ($1::uuid[]) RETURNING cid, owner"


async def end_pins(pool: Pool, requestids: Sequence[UUID]) -> Dropped:
    """End pins; their blocks go if nobody else needs them."""
    async with pool.acquire() as connection, connection.transaction():
        rows = await connection.fetch(CIDS, requestids)
        await lock(connection, [Cid.from_binary(row["cid"]) for row in rows])
        ended = await connection.fetch(END, requestids)
        wants = {Want(Owner.parse(row["owner"]), Cid.from_binary(row["cid"])) for row in ended}
        return await departures.drop(connection, wants)
