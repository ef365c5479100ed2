"""Counting what would go: the dry run's numbers, by set-wise statements. SQL only.

Measured with one million pins and the shipped policies: bench family `policies`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from pinhole.contract.cid import Cid
from pinhole.contract.dry_runs import Amount, Example
from pinhole.contract.policies import Policy
from pinhole.runtime.postgres import Connection, Pool
from pinning.retention import holds
from pinning.retention.verdicts import Judgement, judgement

# A million narrow rows are grouped in memory, and the plan knows the parameters' values.
TUNE: Final = "SET LOCAL work_mem = '64MB'; SET LOCAL jit = off"
TIMEOUT_S: Final = 300.0
"""A million pins are judged in seconds; ten times as many on a busy machine take a minute."""
TUNE_PLAN: Final = "SET LOCAL plan_cache_mode = force_custom_plan"


@dataclass(frozen=True)
class Counted:
    """What the policies would remove at an instant."""

    by_policy: dict[str, Amount]
    examples: dict[str, list[UUID]]
    """A few of these pins, by policy."""
    saved_by_holds: Amount
    to_archive: Amount
    frees_bytes: int


HELD = """
    SELECT count(*) AS pins, coalesce(sum(size_bytes), 0)::bigint AS size_bytes
    FROM pinning.pins WHERE status = 'pinned'
"""


async def held(connection: Connection | Pool) -> Amount:
    """Return how much is kept under pins."""
    row = await connection.fetchrow(HELD, timeout=TIMEOUT_S)
    assert row is not None  # noqa: S101 - an aggregate always has a row
    return Amount(**dict(row))


# What is over, or due for the archive; the policies' other verdicts are not written out.
_OVER: Final = """
    , due AS MATERIALIZED (
        SELECT requestid, cid, size_bytes, number, until <= {now} AS over, by_hold
        FROM verdict WHERE until <= {now} OR archive_at <= {now}
    ), going AS (SELECT * FROM due WHERE over AND NOT by_hold)
"""
_COUNT: Final = """
    SELECT number, over, by_hold, count(*) AS pins,
           coalesce(sum(size_bytes), 0)::bigint AS size_bytes, 0::bigint AS frees,
           (array_agg(requestid))[1:3] AS examples
    FROM due GROUP BY number, over, by_hold
    UNION ALL
    -- A block that two pins name goes with the second: not those of which a pin stays.
    SELECT NULL, NULL, NULL, 0, 0, coalesce(sum(g.size_bytes), 0)::bigint, NULL
    FROM (SELECT cid, max(size_bytes) AS size_bytes FROM going GROUP BY cid) AS g
    WHERE cid NOT IN (
        SELECT stays.cid FROM pinning.pins AS stays WHERE stays.cid IN (SELECT cid FROM going)
        AND stays.requestid NOT IN (SELECT requestid FROM going))
"""


def counting(judged: Judgement) -> str:
    """Return the statement that counts what is over."""
    return judged.statement + (_OVER + _COUNT).replace("{now}", judged.now)


async def count(
    connection: Connection, policies: Sequence[Policy], *, at: datetime, plausible_days: float
) -> Counted:
    """Return what `policies` would remove at `at`, in a transaction of the caller's."""
    if not policies:
        nothing = Amount(pins=0, size_bytes=0)
        return Counted({}, {}, nothing, nothing, 0)
    await connection.execute(TUNE)
    await connection.execute(TUNE_PLAN)
    guard = await holds.guard(connection)
    judged = judgement(policies, guard, at=at, plausible_days=plausible_days)
    query = counting(judged)
    rows = await connection.fetch(query, *judged.parameters.values, timeout=TIMEOUT_S)
    going = {
        judged.policy(row["number"]).name: row for row in rows if row["over"] and not row["by_hold"]
    }
    return Counted(
        {name: Amount(pins=r["pins"], size_bytes=r["size_bytes"]) for name, r in going.items()},
        {name: row["examples"] for name, row in going.items()},
        saved_by_holds=_sum(row for row in rows if row["over"] and row["by_hold"]),
        to_archive=_sum(row for row in rows if row["over"] is False),
        frees_bytes=sum(row["frees"] for row in rows),
    )


EXAMPLES = """
    SELECT p.requestid, p.cid, p.owner, coalesce(p.received_at, p.created_at) AS received_at,
           coalesce(p.size_bytes, 0) AS size_bytes
    FROM pinning.pins AS p WHERE requestid = ANY ($1::uuid[]) ORDER BY 4
"""


async def examples(connection: Connection, requestids: Sequence[UUID]) -> list[Example]:
    """Return these pins, oldest first."""
    rows = await connection.fetch(EXAMPLES, requestids)
    return [
        Example(
            cid=Cid.from_binary(row["cid"]),
            owner=row["owner"],
            received_at=row["received_at"],
            size_bytes=row["size_bytes"],
        )
        for row in rows
    ]


def _sum(rows: Iterable[asyncpg.Record]) -> Amount:
    pins = size_bytes = 0
    for row in rows:
        pins += row["pins"]
        size_bytes += row["size_bytes"]
    return Amount(pins=pins, size_bytes=size_bytes)
