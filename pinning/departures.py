"""Departures: pins end, bindings expire, blocks leave the ledger. SQL, in batches.

What the last pin of an owner leaves is unbound; what nobody is bound to becomes `releasing`; what
is gone from the node is forgotten. Each step is committed, and each may be repeated.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from pinhole.contract.cid import Cid
from pinhole.runtime.postgres import Connection, Pool
from pinning.locks import lock
from pinning.wants import Want


@dataclass(frozen=True)
class Dropped:
    """What a call dropped."""

    blocks: int
    """Blocks that nobody needs any more: they leave the node shortly."""
    size_bytes: int
    """Bytes of these blocks."""

    def __add__(self, other: "Dropped") -> "Dropped":
        """Return both together."""
        return Dropped(self.blocks + other.blocks, self.size_bytes + other.size_bytes)


NOTHING = Dropped(0, 0)

# Parts of one statement see the same snapshot: what looks for pins runs after their deletion.
UNBIND = """
    DELETE FROM pinning.bindings AS b USING unnest($1::bytea[], $2::text[]) AS w (cid, owner)
    WHERE b.cid = w.cid AND b.owner = w.owner
    AND NOT EXISTS (SELECT FROM pinning.pins AS p WHERE p.cid = b.cid AND p.owner = b.owner)
"""
LET_GO = """
    WITH going AS (
        UPDATE pinning.blocks AS b SET state = 'releasing', releasing_at = now()
        WHERE b.cid = ANY ($1::bytea[]) AND b.state <> 'releasing'
        AND NOT EXISTS (SELECT FROM pinning.bindings AS n WHERE n.cid = b.cid)
        RETURNING size_bytes
    )
    SELECT count(*), coalesce(sum(size_bytes), 0)::bigint FROM going
"""


async def drop(connection: Connection, wants: Collection[Want]) -> Dropped:
    """Unbind those of `wants` of which no pin is left; let blocks go that nobody is bound to.

    Wants a transaction that holds the CIDs' locks, in which the pins were deleted by an earlier
    statement. Looking after holds is the caller's.
    """
    binaries = [want.cid.binary for want in wants]
    await connection.execute(UNBIND, binaries, [want.owner.text for want in wants])
    return await _let_go(connection, binaries)


async def _let_go(connection: Connection, binaries: Sequence[bytes]) -> Dropped:
    row = await connection.fetchrow(LET_GO, binaries)
    assert row is not None  # noqa: S101 - an aggregate always has a row
    return Dropped(row[0], row[1])


UNCLAIMED = """
    SELECT cid, owner FROM pinning.bindings
    WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2
"""
# A pin that came since has claimed them in all but this column.
CLAIM_LATE = """
    UPDATE pinning.bindings AS b SET expires_at = NULL, claimed_at = now()
    FROM unnest($1::bytea[], $2::text[]) AS w (cid, owner)
    WHERE b.cid = w.cid AND b.owner = w.owner AND b.expires_at IS NOT NULL
    AND EXISTS (SELECT FROM pinning.pins AS p WHERE p.cid = b.cid AND p.owner = b.owner)
"""
EXPIRE = """
    DELETE FROM pinning.bindings AS b USING unnest($1::bytea[], $2::text[]) AS w (cid, owner)
    WHERE b.cid = w.cid AND b.owner = w.owner AND b.expires_at <= $3
"""


async def drop_unclaimed(pool: Pool, until: datetime, limit: int) -> Dropped | None:
    """Unbind pushed bytes that no pin claimed and whose time ends at `until` or earlier.

    Returns None where there were none left.
    """
    async with pool.acquire() as connection, connection.transaction():
        rows = await connection.fetch(UNCLAIMED, until, limit)
        if not rows:
            return None
        binaries, owners = [row["cid"] for row in rows], [row["owner"] for row in rows]
        await lock(connection, map(Cid.from_binary, binaries))
        # Read again under the locks: pushed anew meanwhile, they have a later end.
        await connection.execute(CLAIM_LATE, binaries, owners)
        await connection.execute(EXPIRE, binaries, owners, until)
        return await _let_go(connection, list(dict.fromkeys(binaries)))


# The lock's key is that of pinning/locks.py. Whatever is locked is being put or removed by another:
# it is passed over, so a release never waits for a put, and lanes take different blocks. The inner
# LIMIT keeps the filter outside it, and is read only as far as needed: 0.7 ms for 48 of 20,000.
TAKE = """
    SELECT cid FROM (
        SELECT cid FROM pinning.blocks WHERE state = 'releasing' AND NOT is_tree
        ORDER BY releasing_at LIMIT 1000
    ) AS due
    WHERE pg_try_advisory_xact_lock(
        ('x' || encode(substring(cid FROM 5 FOR 8), 'hex'))::bit(64)::bigint)
    LIMIT $1
"""


async def take(connection: Connection, limit: int) -> list[Cid]:
    """Lock frames that wait for their removal, until the transaction ends; return them.

    They may have been put again before the lock was taken: ask `still_releasing`.
    """
    return [Cid.from_binary(row["cid"]) for row in await connection.fetch(TAKE, limit)]


TREES = """
    SELECT cid FROM pinning.blocks WHERE state = 'releasing' AND is_tree
    ORDER BY releasing_at LIMIT 1
"""


async def next_tree(pool: Pool) -> Cid | None:
    """Return the tree that waits longest for its removal. Needs no lock."""
    binary = await pool.fetchval(TREES)
    return Cid.from_binary(binary) if binary is not None else None


STILL_RELEASING = """
    SELECT b.cid FROM pinning.blocks AS b
    WHERE b.cid = ANY ($1::bytea[]) AND b.state = 'releasing'
    AND NOT EXISTS (SELECT FROM pinning.bindings AS n WHERE n.cid = b.cid)
"""


async def still_releasing(connection: Connection, cids: Collection[Cid]) -> list[Cid]:
    """Return those of `cids` that may be removed now that their locks are held."""
    rows = await connection.fetch(STILL_RELEASING, [cid.binary for cid in cids])
    return [Cid.from_binary(row["cid"]) for row in rows]


# Undone by a power cut, it is repeated: the node no longer has them, and that is no error.
FORGET = """
    WITH for_this_statement AS (SELECT set_config('synchronous_commit', 'off', true))
    DELETE FROM pinning.blocks USING for_this_statement WHERE cid = ANY ($1::bytea[])
"""


async def forget(connection: Connection, cids: Collection[Cid]) -> None:
    """Forget blocks that are gone from the node."""
    await connection.execute(FORGET, [cid.binary for cid in cids])
