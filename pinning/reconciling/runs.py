"""Runs: asked for, taken up, told about. SQL of the table of runs."""

from typing import Final
from uuid import UUID

import asyncpg

from pinhole.contract.cid import Cid
from pinhole.contract.errors import Conflict
from pinhole.contract.ids import uuid7
from pinhole.contract.reconciliation import (
    Difference,
    Finding,
    FindingState,
    Phase,
    Reconciliation,
    RunState,
)
from pinhole.runtime.postgres import Pool

MAX_EXAMPLES: Final = 20

REQUEST = """
    INSERT INTO pinning.reconciliations
        (run_id, requested_by, repair, remove_orphans, max_share, sample_blocks)
    VALUES ($1, $2, $3, $4, $5, $6)
"""


async def request(
    pool: Pool,
    by: str,
    *,
    repair: bool,
    remove_orphans: bool,
    max_share: float,
    sample_blocks: int,
) -> UUID:
    """Ask for a run; a pinning service takes it up within a second.

    Raises:
        Conflict: another one is asked for or going on.
    """
    run_id = uuid7()
    try:
        await pool.execute(REQUEST, run_id, by, repair, remove_orphans, max_share, sample_blocks)
    except asyncpg.UniqueViolationError as error:
        raise Conflict("a reconciliation is going on already: wait for its end") from error
    return run_id


# A night's run is asked for once, by whichever process comes first.
REQUEST_NIGHTLY = """
    INSERT INTO pinning.reconciliations
        (run_id, requested_by, repair, remove_orphans, max_share, sample_blocks)
    SELECT $1, 'nightly', $2, false, $3, $4
    WHERE extract(hour FROM now() AT TIME ZONE 'UTC') = $5
    AND NOT EXISTS (SELECT FROM pinning.reconciliations
                    WHERE requested_at > now() - interval '2 hours')
    ON CONFLICT DO NOTHING
"""


async def request_nightly(
    pool: Pool, *, hour: int, repair: bool, max_share: float, sample_blocks: int
) -> None:
    """Ask for tonight's run if its hour (UTC) has come and nobody did yet."""
    await pool.execute(REQUEST_NIGHTLY, uuid7(), repair, max_share, sample_blocks, hour)


OPEN = "SELECT * FROM pinning.reconciliations WHERE finished_at IS NULL"


async def open_run(pool: Pool) -> asyncpg.Record | None:
    """Return the row of the run that is asked for or going on."""
    return await pool.fetchrow(OPEN)


BEGIN_PHASE = """
    UPDATE pinning.reconciliations
    SET state = 'running', phase = $2::pinning.run_phase, done = 0, total = $3,
        listed_from = CASE WHEN $2::pinning.run_phase = 'listing' THEN now() ELSE listed_from END
    WHERE run_id = $1
"""


async def begin_phase(pool: Pool, run_id: UUID, phase: Phase, total: int) -> None:
    """Write that a run is at the beginning of a phase."""
    await pool.execute(BEGIN_PHASE, run_id, phase, total)


PROGRESS = "UPDATE pinning.reconciliations SET done = $2 WHERE run_id = $1"


async def progress(pool: Pool, run_id: UUID, done: int) -> None:
    """Write how far a phase is."""
    await pool.execute(PROGRESS, run_id, done)


LISTED = """
    UPDATE pinning.reconciliations
    SET node_pins = $2, node_blocks = $3, foreign_cids = $4, held_blocks = $5 WHERE run_id = $1
"""


async def listed(pool: Pool, run_id: UUID, *, pins: int, blocks: int, foreign: int) -> int:
    """Write how much the node listed; return how many blocks the ledger keeps."""
    held = await expected(pool)
    await pool.execute(LISTED, run_id, pins, blocks, foreign, held)
    return held


EXPECTED = """
    SELECT count(*) FROM pinning.blocks WHERE state <> 'releasing' AND NOT in_file_tree
"""


async def expected(pool: Pool) -> int:
    """Return how many blocks the ledger keeps in Kubo: 0.5 s a million."""
    return int(await pool.fetchval(EXPECTED))


SAMPLED = "UPDATE pinning.reconciliations SET done = $2, sampled_blocks = $2 WHERE run_id = $1"


async def sampled(pool: Pool, run_id: UUID, count: int) -> None:
    """Write how many blocks were hashed."""
    await pool.execute(SAMPLED, run_id, count)


FINISH = """
    UPDATE pinning.reconciliations SET state = $2, finished_at = now(), details = $3
    WHERE run_id = $1
"""
# What the runs of a month found tells since when an orphan is one; then it is forgotten.
FORGET = """
    DELETE FROM pinning.reconciliations WHERE finished_at < now() - interval '30 days'
"""


async def finish(pool: Pool, run_id: UUID, state: RunState, details: str | None = None) -> None:
    """Write how a run ended."""
    await pool.execute(FINISH, run_id, state, details)
    await pool.execute(FORGET)


FIND = "SELECT * FROM pinning.reconciliations WHERE run_id = $1"
NEWEST = "SELECT * FROM pinning.reconciliations ORDER BY requested_at DESC LIMIT 1"
COUNTS = """
    SELECT kind, state, count(*) FROM pinning.findings WHERE run_id = $1 GROUP BY kind, state
"""
EXAMPLES = """
    SELECT cid, kind, state, details FROM pinning.findings
    WHERE run_id = $1 AND state IN ('seen', 'confirmed', 'failed') LIMIT $2
"""


async def find(pool: Pool, run_id: UUID | None = None) -> Reconciliation | None:
    """Return a run, or the newest."""
    row = await (pool.fetchrow(FIND, run_id) if run_id is not None else pool.fetchrow(NEWEST))
    if row is None:
        return None
    counts: dict[Difference, dict[FindingState, int]] = {}
    for kind, state, count in await pool.fetch(COUNTS, row["run_id"]):
        counts.setdefault(Difference(kind), {})[FindingState(state)] = count
    examples = await pool.fetch(EXAMPLES, row["run_id"], MAX_EXAMPLES)
    told = {
        name: row[name]
        for name in Reconciliation.model_fields
        if name not in ("run_id", "counts", "examples")
    }
    return Reconciliation(
        run_id=UUID(int=row["run_id"].int),
        counts=counts,
        examples=[
            Finding(
                cid=Cid.from_binary(one["cid"]),
                kind=one["kind"],
                state=one["state"],
                details=one["details"],
            )
            for one in examples
        ],
        **told,
    )
