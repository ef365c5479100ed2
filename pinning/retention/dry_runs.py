"""Dry runs: what policies would do, kept so that applying can name what was shown."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from pinhole.contract.dry_runs import Amount, DryRun, Forecast, Going, PolicyVersion
from pinhole.contract.errors import Conflict, NotFound, Refused, Unprocessable
from pinhole.contract.ids import uuid7
from pinhole.contract.policies import Policy
from pinhole.runtime.postgres import Pool
from pinning.retention import count, policy_sets
from pinning.retention.count import Counted
from pinning.retention.forecast import forecast

_FEW_PINS: Final = 10
"""A difference of so few pins between dry run and application is nobody's surprise."""


@dataclass(frozen=True)
class Caution:
    """What keeps policies from removing more than was meant."""

    most_share: float
    """Of what is held, that one policy may remove without being confirmed by name; 0 to 1."""
    tolerance: float
    """By what share of the shown the counts may differ when it is applied."""
    valid_for: timedelta
    """How long a dry run may be applied."""
    plausible_days: float
    """How long before it came a frame may plausibly have been captured."""

    def needs_confirmation(self, going: Amount, held: Amount) -> bool:
        """Whether a policy that removes `going` of `held` has to be named."""
        return share(going, held) > self.most_share


def share(going: Amount, held: Amount) -> float:
    """Return the part of the pins, or of the bytes, whichever is larger."""
    of_pins = going.pins / held.pins if held.pins else 0.0
    of_bytes = going.size_bytes / held.size_bytes if held.size_bytes else 0.0
    return max(of_pins, of_bytes)


async def make(
    pool: Pool,
    policies: Sequence[Policy] | None,
    by: str,
    caution: Caution,
    room_bytes: int | None,
) -> DryRun:
    """Return what `policies`, or those in force, would remove now; it can be applied by its id."""
    started = time.perf_counter()
    at = datetime.now(UTC)
    base = await policy_sets.current(pool)
    tried = base.policies if policies is None else list(policies)
    days = caution.plausible_days
    # Side by side: the one has the sums to the row, the other samples.
    counted, held, expected = await asyncio.gather(
        _count(pool, tried, at, days),
        count.held(pool),
        forecast(pool, tried, room_bytes, at=at, plausible_days=days),
    )
    counts = (held, counted)
    dry_run = await _shown(pool, counts, expected, by=by, at=at, base=base, caution=caution)
    dry_run = dry_run.model_copy(
        update={"policies": tried, "took_s": round(time.perf_counter() - started, 3)}
    )
    await _keep(pool, dry_run)
    return dry_run


async def _count(
    pool: Pool, policies: Sequence[Policy], at: datetime, plausible_days: float
) -> Counted:
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        return await count.count(connection, policies, at=at, plausible_days=plausible_days)


async def _shown(
    pool: Pool,
    counts: tuple[Amount, Counted],
    expected: Forecast,
    *,
    by: str,
    at: datetime,
    base: PolicyVersion,
    caution: Caution,
) -> DryRun:
    held, counted = counts
    going = []
    for name, amount in sorted(counted.by_policy.items(), key=lambda item: -item[1].size_bytes):
        async with pool.acquire() as connection:
            examples = await count.examples(connection, counted.examples[name])
        going.append(
            Going(
                policy=name,
                pins=amount.pins,
                size_bytes=amount.size_bytes,
                share=round(share(amount, held), 4),
                needs_confirmation=caution.needs_confirmation(amount, held),
                examples=examples,
            )
        )
    return DryRun(
        dry_run=str(uuid7()),
        made_at=at,
        made_by=by,
        based_on=base.version,
        policies=[],
        held=held,
        going=going,
        going_in_all=_sum(going),
        frees_bytes=counted.frees_bytes,
        saved_by_holds=counted.saved_by_holds,
        to_archive=counted.to_archive,
        forecast=expected,
        took_s=0,
    )


def _sum(going: Sequence[Going]) -> Amount:
    return Amount(
        pins=sum(one.pins for one in going), size_bytes=sum(one.size_bytes for one in going)
    )


KEEP = """
    INSERT INTO pinning.dry_runs (dry_run, made_at, based_on, policies, shown)
    VALUES ($1, $2, $3, $4, $5)
"""


async def _keep(pool: Pool, dry_run: DryRun) -> None:
    documents = policy_sets.documents_of(dry_run.policies)
    shown = dry_run.model_dump(mode="json", exclude_none=True)
    values = (UUID(dry_run.dry_run), dry_run.made_at, dry_run.based_on, documents, shown)
    await pool.execute(KEEP, *values)


GET = "SELECT shown FROM pinning.dry_runs WHERE dry_run = $1"


async def get(pool: Pool, dry_run: str) -> DryRun:
    """Return a dry run as it was shown.

    Raises:
        NotFound: there is none.
    """
    try:
        shown = await pool.fetchval(GET, UUID(dry_run))
    except ValueError:
        shown = None
    if shown is None:
        raise NotFound(f"there is no dry run {dry_run[:80]!r}")
    return DryRun.model_validate(shown)


async def apply(
    pool: Pool, dry_run: str, confirm: Sequence[str], by: str, caution: Caution
) -> PolicyVersion:
    """Put the policies of a dry run into force. Nothing is written where it is refused.

    Raises:
        NotFound: there is no such dry run.
        Unprocessable: `confirm` names what is no policy of it.
        Conflict: it is too old, the policies were changed since, or the counts differ too much.
        Refused: a policy would remove too much and is not confirmed.
    """
    shown = await get(pool, dry_run)
    unknown = set(confirm) - {policy.name for policy in shown.policies}
    if unknown:
        raise Unprocessable(f"there is no policy {min(unknown)!r} in the dry run {dry_run}")
    at = datetime.now(UTC)
    if at - shown.made_at > caution.valid_for:
        raise Conflict(
            f"the dry run {dry_run} was made at {shown.made_at:%Y-%m-%d %H:%M} UTC: it may be "
            f"applied for {caution.valid_for}; make another one",
            reason="DRY_RUN_STALE",
        )
    async with pool.acquire() as connection, connection.transaction():
        await policy_sets.changing(connection)
        base = await policy_sets.current(connection)
        if base.version != shown.based_on:
            raise Conflict(
                f"the policies were changed since the dry run: version {base.version} is in force,"
                f" it was based on {shown.based_on}; make another one",
                reason="POLICIES_CHANGED",
            )
        held = await count.held(connection)
        counted = await count.count(
            connection, shown.policies, at=at, plausible_days=caution.plausible_days
        )
        _compare(shown, counted, caution)
        _check_shares(counted, held, confirm, caution)
        return await policy_sets.add(
            connection, shown.policies, by, UUID(shown.dry_run), list(confirm)
        )


def _compare(shown: DryRun, counted: Counted, caution: Caution) -> None:
    before = {going.policy: going.pins for going in shown.going}
    now = {name: amount.pins for name, amount in counted.by_policy.items()}
    for name in sorted(before | now):
        was, found = before.get(name, 0), now.get(name, 0)
        if abs(found - was) > max(_FEW_PINS, caution.tolerance * was):
            raise Conflict(
                f"the dry run showed that {name!r} removes {was:,} pins, now it would be "
                f"{found:,}: they may differ by {caution.tolerance:.0%}; make another one",
                reason="DRY_RUN_DIFFERS",
            )


def _check_shares(counted: Counted, held: Amount, confirm: Sequence[str], caution: Caution) -> None:
    for name, amount in sorted(counted.by_policy.items()):
        if name not in confirm and caution.needs_confirmation(amount, held):
            raise Refused(
                f"{name!r} would remove {amount.pins:,} of {held.pins:,} pins, "
                f"{share(amount, held):.0%} of what is held; the limit is "
                f"{caution.most_share:.0%} unless it is confirmed by name",
                reason="REMOVES_TOO_MUCH",
            )
