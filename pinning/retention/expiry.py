"""Expiry: what the policies in force say is over is found in rounds and removed in batches.

A round judges all pins at once and writes down what is over; batches then end those pins, and
what nobody needs any more leaves the hub as ever (pinning/release.py). A pin that was changed or
held in between stays, and the next round looks at it again.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import asyncpg
from prometheus_client import Counter, Gauge

from pinhole.contract.cid import Cid
from pinhole.contract.dry_runs import Amount, PolicyVersion
from pinhole.contract.owners import Owner
from pinhole.runtime.postgres import Connection, Pool, rows_affected
from pinhole.runtime.tasks import Pulse
from pinning import departures
from pinning.locks import lock
from pinning.retention import count, holds, policy_sets
from pinning.retention.dry_runs import Caution, share
from pinning.retention.selection import Parameters
from pinning.retention.verdicts import judgement
from pinning.wants import Want

logger = logging.getLogger(__name__)

EXPIRED: Final = Counter(
    "pinhole_pinning_expired_total", "Pins that policies removed, by policy.", ["policy"]
)
WITHHELD: Final = Gauge(
    "pinhole_pinning_withheld_pins",
    "Pins that a policy would remove and does not: they are more than the usual share of all.",
    ["policy"],
)

BATCH: Final = 100
"""Pins ended in one transaction, whose CIDs are locked meanwhile: about 50 ms."""
MOST_A_ROUND: Final = 100_000
_LOCK: Final = 0x6F_76_65_72  # "over"
_IDLE_S: Final = 2.0


@dataclass(frozen=True)
class Round:
    """What a round found."""

    version: int
    found: int
    """Pins that are over and will go."""
    withheld: dict[str, Amount]
    """What goes only once it is confirmed, by policy."""


class Expiry:
    """Judges every `every_s`, and whenever the policies were changed; removes what is over."""

    def __init__(self, pool: Pool, caution: Caution, *, every_s: float) -> None:
        self._pool = pool
        self._caution = caution
        self._every_s = every_s
        self._judged_at = float("-inf")
        self._version = 0

    async def run(self, pulse: Pulse) -> None:
        """Remove and judge, for ever."""
        while True:
            dealt_with = await release_expired(self._pool, BATCH)
            pulse.beat()
            if dealt_with:
                continue
            if not await self._judge_when_due():
                await asyncio.sleep(min(_IDLE_S, self._every_s))

    async def _judge_when_due(self) -> bool:
        """Judge if it is time; return whether that found something to remove."""
        version = (await policy_sets.current(self._pool)).version
        if version == self._version and time.monotonic() - self._judged_at < self._every_s:
            return False
        found = await judge(self._pool, self._caution)
        if found is None:
            return False  # another process is at it
        self._version = version
        if found.found < MOST_A_ROUND:
            self._judged_at = time.monotonic()
        return found.found > 0


async def judge(pool: Pool, caution: Caution, *, at: datetime | None = None) -> Round | None:
    """Write down which pins are over by the policies in force; None: another process does it."""
    try:
        async with (
            pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read"),
        ):
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK):
                return None
            return await _judge(connection, caution, at or datetime.now(UTC))
    except asyncpg.SerializationError:
        return None  # another process removed meanwhile what was being written down


async def _judge(connection: Connection, caution: Caution, at: datetime) -> Round:
    in_force = await policy_sets.current(connection)
    if not in_force.enforced or not in_force.policies:
        return Round(in_force.version, 0, {})
    held = await count.held(connection)
    days = caution.plausible_days
    counted = await count.count(connection, in_force.policies, at=at, plausible_days=days)
    withheld = {
        name: amount
        for name, amount in counted.by_policy.items()
        if name not in in_force.confirmed and caution.needs_confirmation(amount, held)
    }
    _tell(in_force, counted.by_policy, withheld, held)
    going = [name for name in counted.by_policy if name not in withheld]
    if not going:
        # All that was confirmed has gone.
        await policy_sets.forget_confirmations(connection, in_force.version)
        return Round(in_force.version, 0, withheld)
    found = await _write_down(connection, in_force, going, at, days)
    return Round(in_force.version, found, withheld)


def _tell(
    in_force: PolicyVersion,
    by_policy: dict[str, Amount],
    withheld: dict[str, Amount],
    held: Amount,
) -> None:
    WITHHELD.clear()
    for name, amount in withheld.items():
        WITHHELD.labels(name).set(amount.pins)
        logger.warning(
            "policy %s of version %d would remove %d of %d pins (%.0f %%) and waits to be"
            " confirmed: `pinhole policies dry-run`, then `apply --confirm %s`",
            name,
            in_force.version,
            amount.pins,
            held.pins,
            100 * share(amount, held),
            name,
        )
    going = sum(amount.pins for amount in by_policy.values())
    if going:
        logger.info("policies of version %d: %d pins are over", in_force.version, going)


_WRITE: Final = """
    INSERT INTO pinning.expired (requestid, version, policy, seen)
    SELECT requestid, {version}, ({names})[number], version::text FROM verdict
    WHERE until <= {now} AND NOT by_hold AND ({names})[number] = ANY ({going})
    LIMIT {most}
    ON CONFLICT (requestid) DO UPDATE SET version = excluded.version, policy = excluded.policy,
        seen = excluded.seen
"""


async def _write_down(
    connection: Connection,
    in_force: PolicyVersion,
    going: Sequence[str],
    at: datetime,
    plausible_days: float,
) -> int:
    guard = await holds.guard(connection)
    judged = judgement(in_force.policies, guard, at=at, plausible_days=plausible_days)
    add = judged.parameters.add
    statement = judged.statement + _WRITE.format(
        now=judged.now,
        version=add(in_force.version, "integer"),
        names=add([policy.name for policy in judged.policies], "text[]"),
        going=add(list(going), "text[]"),
        most=add(MOST_A_ROUND, "bigint"),
    )
    values = judged.parameters.values
    return rows_affected(await connection.execute(statement, *values, timeout=count.TIMEOUT_S))


TAKE = """
    SELECT e.requestid, p.cid FROM pinning.expired AS e
    LEFT JOIN pinning.pins AS p USING (requestid)
    ORDER BY e.requestid LIMIT $1 FOR UPDATE OF e SKIP LOCKED
"""
# Only rows that are as they were judged, by the policies that are in force still.
_END: Final = """
    WITH ended AS (
        DELETE FROM pinning.pins AS p USING pinning.expired AS e
        WHERE p.requestid = ANY ({taken}) AND e.requestid = p.requestid
        AND p.xmin::text = e.seen AND NOT {held}
        AND e.version = (SELECT max(version) FROM pinning.policy_sets)
        RETURNING p.cid, p.owner, p.event_id, p.size_bytes, e.policy, e.version
    )
    INSERT INTO pinning.departed (cid, owner, event_id, size_bytes, policy, version)
    SELECT * FROM ended RETURNING cid, owner, policy
"""
SETTLE = "DELETE FROM pinning.expired WHERE requestid = ANY ($1::uuid[])"


async def release_expired(pool: Pool, limit: int) -> int:
    """End up to `limit` pins that are over; return how many were dealt with, 0 where none is left.

    Their blocks become `releasing` if nobody else needs them. What was changed since it was
    judged, or is held by now, stays.
    """
    async with pool.acquire() as connection, connection.transaction():
        # Before holds are read: whoever adds one waits until this batch is committed.
        await holds.removing(connection)
        taken = await connection.fetch(TAKE, limit)
        if not taken:
            return 0
        binaries = {row["cid"] for row in taken if row["cid"] is not None}
        await lock(connection, map(Cid.from_binary, binaries))
        requestids = [row["requestid"] for row in taken]
        ended = await _end(connection, requestids)
        gone = {(row["owner"], row["cid"]) for row in ended}
        wants = [Want(Owner.parse(owner), Cid.from_binary(cid)) for owner, cid in gone]
        await departures.drop(connection, wants)
        await connection.execute(SETTLE, requestids)
    for row in ended:
        EXPIRED.labels(row["policy"]).inc()
    return len(taken)


async def _end(connection: Connection, requestids: Sequence[object]) -> list[asyncpg.Record]:
    parameters = Parameters()
    taken = parameters.add(requestids, "uuid[]")
    held = (await holds.guard(connection)).fits(parameters)
    statement = _END.format(taken=taken, held=held)
    return list(await connection.fetch(statement, *parameters.values))
