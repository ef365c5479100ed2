"""What policies would remove soon goes early under pressure; holds and the rest do not."""

from dataclasses import replace
from datetime import timedelta

from pinhole.contract.holds import HoldRequest
from pinhole.contract.policies import Policy
from pinhole.runtime.postgres import Pool
from pinning.retention import dry_runs, holds
from pinning.retention.expendable import SoonOver
from pinning.retention.expiry import release_expired
from tests.pinning.kept import CAUTION, Kept, keep, left, policy

WEEK = timedelta(days=7)


async def _apply(pool: Pool, *policies: Policy) -> None:
    shown = await dry_runs.make(pool, list(policies), "anna", CAUTION, None)
    await dry_runs.apply(pool, shown.dry_run, [], "anna", CAUTION)


async def _remove(pool: Pool) -> None:
    while await release_expired(pool, 10):
        pass


async def test_what_ends_next_goes_first_and_no_more_than_is_missing(pool: Pool) -> None:
    next_, after, _ = kept = await keep(pool, Kept(days=89), Kept(days=86), Kept(days=85))
    await _apply(pool, policy("quarter", {"for_days": 90}, kind=["frame"]))
    soon = SoonOver(pool, CAUTION, within=WEEK)
    assert await soon.make_room(1_001) == 2_000
    await _remove(pool)
    assert await left(pool) == {pin.requestid for pin in kept} - {next_.requestid, after.requestid}


async def test_what_was_picked_is_not_picked_again_before_it_has_gone(pool: Pool) -> None:
    await keep(pool, Kept(days=89), Kept(days=86))
    await _apply(pool, policy("quarter", {"for_days": 90}, kind=["frame"]))
    soon = SoonOver(pool, CAUTION, within=WEEK)
    assert [await soon.make_room(1_000) for _ in range(3)] == [1_000, 1_000, 0]


async def test_held_kept_and_far_from_over_pins_are_never_expendable(pool: Pool) -> None:
    held, *_ = kept = await keep(pool, Kept(days=89), Kept(days=89, kind="job"), Kept(days=10))
    request = HoldRequest(kind="legal", reason="case 7", cids=[held.cid])
    await holds.add(pool, request, "anna")
    await _apply(
        pool,
        policy("quarter", {"for_days": 90}, kind=["frame"]),
        policy("jobs", {"for_ever": True}, kind=["job"]),
    )
    assert await SoonOver(pool, CAUTION, within=WEEK).make_room(10**9) == 0
    await _remove(pool)
    assert await left(pool) == {pin.requestid for pin in kept}


async def test_more_than_the_usual_share_waits_to_be_confirmed_under_pressure_too(
    pool: Pool,
) -> None:
    await keep(pool, *(Kept(days=89) for _ in range(5)))
    await _apply(pool, policy("quarter", {"for_days": 90}, kind=["frame"]))
    careful = replace(CAUTION, most_share=0.2)
    assert await SoonOver(pool, careful, within=WEEK).make_room(10**9) == 0
