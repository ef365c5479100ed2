"""When the disk is full, if frames go on coming as they did and policies go on removing.

What is kept goes when its policy says; what comes is taken to be kept as long as what came in the
last days. Both are read from the verdicts, by day, and then counted forward.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pinhole.contract.dry_runs import Forecast
from pinhole.contract.policies import Policy
from pinhole.runtime.postgres import Connection, Pool
from pinning.retention import count, holds
from pinning.retention.verdicts import judgement

LOOK_BACK_DAYS: Final = 7
MOST_DAYS: Final = 3650
_SAMPLED_ROWS: Final = 100_000
"""A forecast needs no more: of a million rows, every tenth block of the table is read."""

# How much comes a day, over the days of LOOK_BACK_DAYS that pins have been coming at all.
ARRIVING = """
    SELECT coalesce(sum(size_bytes), 0)::float8 AS size_bytes,
           greatest(1, least($1, extract(epoch FROM $2 - min(created_at)) / 86400))::float8 AS days
    FROM pinning.pins
    WHERE status = 'pinned' AND created_at > $2::timestamptz - $1::float8 * interval '1 day'
"""
ESTIMATE = "SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = 'pinning.pins'::regclass"

_BY_DAY: Final = """
    SELECT least(greatest(ceil(extract(epoch FROM until - {now}) / 86400), 0), 4000)::integer
               AS day,
           CASE WHEN received > {now} - interval '7 days' THEN
               least(greatest(ceil(extract(epoch FROM until - received) / 86400), 0), 4000)::integer
           END AS kept_days, sum(size_bytes)::float8 AS size_bytes
    FROM verdict WHERE isfinite(until) GROUP BY 1, 2
"""


@dataclass(frozen=True)
class Flow:
    """What comes and what goes, in bytes."""

    arriving_per_day: float
    leaving: Mapping[int, float] = field(default_factory=dict)
    """Of what is kept now, by the day on which it goes: 0 is now."""
    kept_days: Mapping[int, float] = field(default_factory=dict)
    """Of what comes in a day, by how many days it is kept; the rest stays."""


def days_until_full(flow: Flow, room_bytes: float) -> float | None:
    """Return in how many days the room is used up; None: not within ten years."""
    room = room_bytes
    for day in range(MOST_DAYS):
        # What came d days ago and is kept d days goes today.
        gone = flow.leaving.get(day, 0.0)
        gone += sum(size for days, size in flow.kept_days.items() if days <= day)
        growth = flow.arriving_per_day - gone
        if growth > 0 and room < growth:
            return day + max(0.0, room) / growth
        room -= growth
    return None


async def flow(
    connection: Connection, policies: Sequence[Policy], *, at: datetime, plausible_days: float
) -> Flow:
    """Return what comes and goes under `policies`, in a transaction of the caller's."""
    arrived = await connection.fetchrow(
        ARRIVING, float(LOOK_BACK_DAYS), at, timeout=count.TIMEOUT_S
    )
    assert arrived is not None  # noqa: S101 - an aggregate always has a row
    days = arrived["days"] or LOOK_BACK_DAYS
    if not policies:
        return Flow(arrived["size_bytes"] / days)
    await connection.execute(count.TUNE_PLAN)
    rows_in_all = float(await connection.fetchval(ESTIMATE))
    percent = min(100.0, 100 * _SAMPLED_ROWS / max(rows_in_all, 1))
    guard = await holds.guard(connection)
    judged = judgement(
        policies, guard, at=at, plausible_days=plausible_days, sample_percent=percent
    )
    query = judged.statement + _BY_DAY.replace("{now}", judged.now)
    leaving: defaultdict[int, float] = defaultdict(float)
    kept: defaultdict[int, float] = defaultdict(float)
    values = judged.parameters.values
    for row in await connection.fetch(query, *values, timeout=count.TIMEOUT_S):
        size = row["size_bytes"] * 100 / percent
        leaving[row["day"]] += size
        if row["kept_days"] is not None:
            kept[row["kept_days"]] += size / days
    return Flow(arrived["size_bytes"] / days, leaving, kept)


async def forecast(
    pool: Pool,
    policies: Sequence[Policy],
    room_bytes: int | None,
    *,
    at: datetime,
    plausible_days: float,
) -> Forecast:
    """Return when `room_bytes` are used up."""
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        expected = await flow(connection, policies, at=at, plausible_days=plausible_days)
    days = None
    if room_bytes is not None and expected.arriving_per_day > 0:
        days = days_until_full(expected, room_bytes)
    return Forecast(
        room_bytes=room_bytes,
        arriving_bytes_per_day=round(expected.arriving_per_day),
        days_until_full=round(days, 1) if days is not None else None,
    )
