"""The lock by CID: "put + pin + row" and "release + remove" of the same block exclude each other.

PostgreSQL's advisory locks hold across processes and machines and end with the transaction or the
connection that took them, and so with a process that is killed.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final

from pinhole.contract.cid import Cid
from pinhole.runtime.postgres import Connection

# Taken in the array's order; everybody sorts, so nobody waits in a circle.
LOCK: Final = "SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS key"
LOCK_SESSION: Final = "SELECT pg_advisory_lock(key) FROM unnest($1::bigint[]) AS key"
UNLOCK_SESSION: Final = "SELECT pg_advisory_unlock(key) FROM unnest($1::bigint[]) AS key"


async def lock(connection: Connection, cids: Iterable[Cid]) -> None:
    """Hold the locks of `cids` until the connection's transaction ends.

    What is read must be read by a later statement: this one's snapshot is older than the lock.
    Two CIDs share a lock with probability 2^-64, which costs a wait and nothing else.
    """
    await connection.execute(LOCK, _keys(cids))


@asynccontextmanager
async def locked(connection: Connection, cids: Iterable[Cid]) -> AsyncIterator[None]:
    """Hold the locks of `cids` for the length of a block, without a transaction around it.

    It saves the round trips of BEGIN and COMMIT where one statement writes everything. If
    anything goes wrong the connection is given up, and the locks with it.
    """
    keys = _keys(cids)
    try:
        await connection.execute(LOCK_SESSION, keys)
        yield
        await connection.execute(UNLOCK_SESSION, keys)
    except BaseException:
        connection.terminate()
        raise


def _keys(cids: Iterable[Cid]) -> list[int]:
    return sorted({int.from_bytes(cid.digest[:8], "big", signed=True) for cid in cids})
