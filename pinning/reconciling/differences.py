"""Differences: the sightings against the ledger, in one statement; what came of each. SQL."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from pinhole.contract.cid import Cid
from pinhole.contract.reconciliation import Difference, Finding, FindingState
from pinhole.runtime.postgres import Connection, Pool

_LONGEST_S: Final = 3600.0

# A block's CID is listed as raw whatever its pin says: both sides are compared by their digests.
# What the ledger took after the listing began, or lets go, is not compared. 19 s for a million pins
# and a million blocks, on two busy cores.
COMPARE = """
    WITH node AS (
        SELECT substring(cid FROM 5) AS digest, bool_or(kind = 'b') AS has_block,
               bool_or(kind IN ('p', 'r')) AS is_pinned, bool_or(kind = 'l') AS is_leaf,
               max(cid) FILTER (WHERE kind IN ('p', 'r')) AS pinned_cid, max(cid) AS cid
        FROM pinning.sightings GROUP BY 1
    ), ledger AS (
        SELECT substring(cid FROM 5) AS digest, cid, held_at,
               -- What lies in the file tree need not be here, and may: a second store's copy.
               state = 'releasing' OR in_file_tree AS may_lack
        FROM pinning.blocks
    )
    INSERT INTO pinning.findings (run_id, cid, kind)
    SELECT $1, coalesce(ledger.cid, node.pinned_cid, node.cid), kind::pinning.difference
    FROM node FULL JOIN ledger USING (digest), LATERAL (SELECT CASE
        WHEN ledger.cid IS NULL AND node.is_pinned THEN 'orphan_pin'
        WHEN ledger.cid IS NULL AND node.has_block AND NOT node.is_leaf THEN 'orphan_block'
        WHEN ledger.cid IS NULL OR ledger.may_lack OR ledger.held_at >= (
            SELECT listed_from FROM pinning.reconciliations WHERE run_id = $1) THEN NULL
        WHEN node.digest IS NULL OR NOT node.has_block THEN 'missing'
        WHEN NOT node.is_pinned THEN 'unpinned'
    END AS kind) AS compared
    WHERE kind IS NOT NULL LIMIT $2
"""


async def compare(pool: Pool, run_id: UUID, limit: int) -> int:
    """Write down what differs, at most `limit`; return how many were written."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL work_mem = '64MB'")
        await connection.execute("DELETE FROM pinning.findings WHERE run_id = $1", run_id)
        tag = await connection.execute(COMPARE, run_id, limit, timeout=_LONGEST_S)
    return int(tag.rsplit(" ", 1)[-1])


NEXT = """
    SELECT cid, kind, state, details FROM pinning.findings
    WHERE run_id = $1 AND state = 'seen' ORDER BY cid LIMIT $2
"""


async def unlooked_at(pool: Pool, run_id: UUID, limit: int) -> list[Finding]:
    """Return findings that were not looked at under their locks yet."""
    return [
        Finding(cid=Cid.from_binary(row["cid"]), kind=row["kind"], state=row["state"])
        for row in await pool.fetch(NEXT, run_id, limit)
    ]


SETTLE = """
    UPDATE pinning.findings SET state = $4, details = $5
    WHERE run_id = $1 AND cid = $2 AND kind = $3
"""


async def settle(
    connection: Pool | Connection,
    run_id: UUID,
    finding: Finding,
    state: FindingState,
    details: str | None = None,
) -> None:
    """Write what became of a finding."""
    await connection.execute(
        SETTLE, run_id, finding.cid.binary, finding.kind, state, details and details[:500]
    )


ADD = """
    INSERT INTO pinning.findings (run_id, cid, kind) SELECT $1, cid, $3
    FROM unnest($2::bytea[]) AS new (cid) ON CONFLICT DO NOTHING
"""


async def add(pool: Pool, run_id: UUID, cids: Sequence[Cid], kind: Difference) -> None:
    """Write down differences that a look at the bytes showed."""
    await pool.execute(ADD, run_id, [cid.binary for cid in cids], kind)


KNOWN_SINCE = """
    SELECT EXISTS (
        SELECT FROM pinning.findings AS f JOIN pinning.reconciliations AS r USING (run_id)
        WHERE f.cid = $1 AND f.kind IN ('orphan_pin', 'orphan_block')
        AND r.listed_from <= now() - $2::interval)
"""


async def was_orphan_before(connection: Connection, cid: Cid, ago: timedelta) -> bool:
    """Whether a run of that long ago saw the orphan already."""
    return bool(await connection.fetchval(KNOWN_SINCE, cid.binary, ago))


STATE = "SELECT state FROM pinning.blocks WHERE cid = $1 AND NOT in_file_tree"
LOST = "UPDATE pinning.blocks SET state = 'missing' WHERE cid = $1 AND state = 'held'"
FOUND = "UPDATE pinning.blocks SET state = 'held' WHERE cid = $1 AND state = 'missing'"
OWNERS = "SELECT owner FROM pinning.bindings WHERE cid = $1 ORDER BY owner LIMIT 20"
AWAITED = """
    SELECT EXISTS (SELECT FROM pinning.pins WHERE cid = $1 AND next_attempt_at IS NOT NULL)
"""
# A digest is uniform, so the block after a random point is a random block. 2.5 ms each where a
# million are held and none is in memory.
SAMPLE = """
    SELECT DISTINCT b.cid FROM unnest($1::bytea[]) AS point, LATERAL (
        SELECT cid FROM pinning.blocks
        WHERE cid >= point AND state = 'held' AND NOT is_tree AND NOT in_file_tree
        ORDER BY cid LIMIT 1) AS b
"""


async def sample(pool: Pool, points: Sequence[Cid]) -> list[Cid]:
    """Return the held frame at or after each of `points`, each once."""
    rows = await pool.fetch(SAMPLE, [point.binary for point in points])
    return [Cid.from_binary(row["cid"]) for row in rows]
