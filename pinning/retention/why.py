"""Why a block is kept: by which pins, which rule decides for each, what holds it, until when."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import asyncpg

from pinhole.contract.cid import Cid
from pinhole.contract.dry_runs import PolicyVersion
from pinhole.contract.errors import NotFound
from pinhole.contract.holds import Departed, Why, WhyPin
from pinhole.contract.policies import Policy
from pinhole.runtime.postgres import Connection, Pool
from pinning.retention import count, holds, policy_sets
from pinning.retention.verdicts import judgement

PINS = """
    SELECT requestid, owner, name, status, coalesce(received_at, created_at) AS received_at
    FROM pinning.pins WHERE cid = $1 ORDER BY created_at LIMIT 1000
"""
BLOCK = "SELECT state, size_bytes FROM pinning.blocks WHERE cid = $1"
DEPARTED = """
    SELECT owner, policy, version, removed_at FROM pinning.departed
    WHERE cid = $1 ORDER BY departed_id DESC LIMIT 100
"""
_VERDICTS: Final = """
    SELECT requestid, number, until <= {now} AS over, archive_at,
           CASE WHEN isfinite(until) THEN until END AS until FROM verdict
"""


async def why(pool: Pool, cid: Cid, *, plausible_days: float) -> Why:
    """Return whether and why `cid` is kept.

    Raises:
        NotFound: nothing was ever heard of it.
    """
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
        in_force = await policy_sets.current(connection)
        pins = await connection.fetch(PINS, cid.binary)
        block = await connection.fetchrow(BLOCK, cid.binary)
        gone = await connection.fetch(DEPARTED, cid.binary)
        if not pins and not block and not gone:
            raise NotFound(f"there is no pin of {cid} and there was none that a policy removed")
        verdicts = await _verdicts(connection, in_force.policies, cid, plausible_days)
        held = await holds.about(connection, cid)
    explained = [_pin(row, verdicts, held, in_force) for row in pins]
    return Why(
        cid=cid,
        kept=any(pin.kept for pin in explained),
        at_hub=block is not None and block["state"] == "held",
        size_bytes=block["size_bytes"] if block is not None else None,
        policies_version=in_force.version,
        enforced=in_force.enforced,
        pins=explained,
        departed=[Departed(**dict(row)) for row in gone],
    )


Verdict = tuple[Policy, asyncpg.Record]


async def _verdicts(
    connection: Connection, policies: Sequence[Policy], cid: Cid, plausible_days: float
) -> dict[UUID, Verdict]:
    if not policies:
        return {}
    await connection.execute(count.TUNE_PLAN)
    guard = await holds.guard(connection)
    judged = judgement(
        policies, guard, at=datetime.now(UTC), plausible_days=plausible_days, cids=[cid]
    )
    query = judged.statement + _VERDICTS.replace("{now}", judged.now)
    return {
        UUID(int=row["requestid"].int): (judged.policy(row["number"]), row)
        for row in await connection.fetch(query, *judged.parameters.values)
    }


def _pin(
    row: asyncpg.Record,
    verdicts: Mapping[UUID, Verdict],
    held: Mapping[UUID, list[str]],
    in_force: PolicyVersion,
) -> WhyPin:
    requestid = UUID(int=row["requestid"].int)
    policy, verdict = verdicts.get(requestid, (None, None))
    by_holds = held.get(requestid, [])
    over = verdict is not None and verdict["over"]
    return WhyPin(
        requestid=str(requestid),
        owner=row["owner"],
        name=row["name"],
        status=row["status"],
        received_at=row["received_at"],
        kept=bool(by_holds) or not over or not in_force.enforced,
        policy=policy.name if policy is not None else None,
        until=verdict["until"] if verdict is not None else None,
        archive_at=verdict["archive_at"] if verdict is not None else None,
        holds=by_holds,
        because=_because(policy, verdict, by_holds, enforced=in_force.enforced),
    )


def _because(
    policy: Policy | None,
    verdict: asyncpg.Record | None,
    by_holds: Sequence[str],
    *,
    enforced: bool,
) -> str:
    """Return the reason as a sentence for people."""
    if by_holds:
        return f"kept by the hold {by_holds[0]}, whatever policies say"
    if policy is None or verdict is None:
        return "kept for ever: no policy is about it"
    by = f"by the policy {policy.name}: {said(policy)}"
    until = verdict["until"]
    if verdict["over"]:
        since = f"over since {until:%Y-%m-%d %H:%M} UTC" if until is not None else "over its count"
        return f"{since} {by}" + ("" if enforced else "; kept, the policies are not enforced")
    if until is None:
        return f"kept {by}"
    return f"kept until {until:%Y-%m-%d %H:%M} UTC {by}"


def said(policy: Policy) -> str:
    """Return how long a policy keeps, in words."""
    keep = policy.keep
    per = f" per {keep.per or 'camera'}" if keep.per != "all" else ""
    if keep.last is not None:
        return f"the last {keep.last:,}{per}"
    if keep.within_bytes is not None:
        return f"the newest {keep.within_bytes:,} bytes{per}"
    days = f"{keep.for_days:g} days" if keep.for_days is not None else "for ever"
    if keep.one_per_s is not None:
        return f"after {keep.after_days:g} days one in {keep.one_per_s:g} s{per}, {days}"
    if keep.archive_after_days is not None:
        return f"{days}, to the archive after {keep.archive_after_days:g}"
    return days
