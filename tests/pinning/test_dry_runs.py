"""Dry runs: what would go, and that nothing else is applied than what was shown."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from pinhole.contract.dry_runs import DryRun, PolicyVersion
from pinhole.contract.errors import Conflict, NotFound, PinholeError, Refused, Unprocessable
from pinhole.contract.holds import HoldRequest
from pinhole.contract.policies import Policy
from pinhole.runtime.postgres import Pool
from pinning.retention import dry_runs, holds, policy_sets
from pinning.retention.dry_runs import Caution
from pinning.retention.forecast import Flow, days_until_full
from tests.pinning.kept import CAUTION, Kept, keep, policy

UNLABELLED = policy("unlabelled", {"for_days": 90}, label_status=["none"])
UNSURE = policy("unsure", {"for_days": 30}, label_status=["unsure"])


async def _dry_run(
    pool: Pool, *policies: Policy, caution: Caution = CAUTION, room_bytes: int | None = None
) -> DryRun:
    return await dry_runs.make(pool, list(policies), "anna", caution, room_bytes)


async def _apply(
    pool: Pool, dry_run: str, confirm: Sequence[str] = (), caution: Caution = CAUTION
) -> PolicyVersion:
    return await dry_runs.apply(pool, dry_run, confirm, "anna", caution)


async def test_it_says_what_would_go_why_and_how_many_bytes_and_does_nothing(pool: Pool) -> None:
    old, unsure, *_ = await keep(
        pool,
        Kept(days=91, size_bytes=5000), Kept(days=31, label="unsure", size_bytes=700),
        Kept(days=89), Kept(days=31), Kept(days=400, label="changed"),
    )  # fmt: skip
    shown = await _dry_run(pool, UNLABELLED, UNSURE)
    assert {going.policy: (going.pins, going.size_bytes) for going in shown.going} == {
        "unlabelled": (1, 5000),
        "unsure": (1, 700),
    }
    assert [going.examples[0].cid for going in shown.going] == [old.cid, unsure.cid]
    assert (shown.going_in_all.pins, shown.going_in_all.size_bytes) == (2, 5700)
    assert shown.frees_bytes == 5700
    assert (shown.held.pins, shown.held.size_bytes) == (5, 8700)
    assert shown.going[0].share == pytest.approx(5000 / 8700, abs=1e-4)
    assert shown.based_on == 1
    assert await pool.fetchval("SELECT count(*) FROM pinning.pins") == 5
    assert (await policy_sets.current(pool)).version == 1
    assert (await dry_runs.get(pool, shown.dry_run)).wire() == shown.wire()


async def test_without_policies_it_tries_those_in_force(pool: Pool) -> None:
    await keep(pool, Kept(days=91))
    shown = await dry_runs.make(pool, None, "anna", CAUTION, None)
    assert [going.policy for going in shown.going] == ["unlabelled"]
    assert [one.name for one in shown.policies] == [
        "changed", "correct", "jobs", "unlabelled", "unsure",
    ]  # fmt: skip


async def test_a_block_that_another_pin_needs_is_not_counted_as_freed(pool: Pool) -> None:
    first, *_ = await keep(pool, Kept(days=91))
    twice, *_ = await keep(pool, Kept(days=92, camera="gate-b", size_bytes=300))
    await keep(
        pool,
        replace(first, days=1, camera="gate-c", requestid=Kept().requestid),
        replace(twice, days=93, camera="gate-c", requestid=Kept().requestid),
    )
    shown = await _dry_run(pool, UNLABELLED)
    assert shown.going_in_all.pins == 3
    assert shown.frees_bytes == 300


async def test_what_holds_save_and_what_is_due_for_the_archive_is_told_apart(pool: Pool) -> None:
    held, *_ = await keep(
        pool, Kept(days=91, size_bytes=10), Kept(days=91), Kept(days=400, label="correct")
    )
    await holds.add(pool, HoldRequest(kind="legal", reason="court order", cids=[held.cid]), "bob")
    correct = policy(
        "correct", {"for_days": 730, "archive_after_days": 365}, label_status=["correct"]
    )
    shown = await _dry_run(pool, UNLABELLED, correct)
    assert shown.going_in_all.pins == 1
    assert (shown.saved_by_holds.pins, shown.saved_by_holds.size_bytes) == (1, 10)
    assert shown.to_archive.pins == 1


async def test_what_was_shown_is_put_into_force_under_a_new_version(pool: Pool) -> None:
    shown = await _dry_run(pool, UNSURE)
    applied = await _apply(pool, shown.dry_run)
    assert (applied.version, applied.applied_by, applied.dry_run) == (2, "anna", shown.dry_run)
    assert applied.enforced
    assert (await policy_sets.current(pool)).policies == [UNSURE]
    history = (await policy_sets.versions(pool)).versions
    assert [(entry.version, entry.policies) for entry in history] == [(2, 1), (1, 5)]


async def _refused(
    pool: Pool, dry_run: str, confirm: Sequence[str] = (), caution: Caution = CAUTION
) -> PinholeError:
    with pytest.raises(PinholeError) as caught:
        await _apply(pool, dry_run, confirm, caution)
    assert (await policy_sets.current(pool)).version < 3
    return caught.value


async def test_a_dry_run_that_something_has_overtaken_is_not_applied(pool: Pool) -> None:
    await keep(pool, Kept(days=1))
    shown = await _dry_run(pool, UNLABELLED)
    await keep(pool, *(Kept(days=91) for _ in range(11)))
    differs = await _refused(pool, shown.dry_run)
    assert (differs.reason, type(differs)) == ("DRY_RUN_DIFFERS", Conflict)
    assert "removes 0 pins, now it would be 11" in differs.details

    again, other = await _dry_run(pool, UNLABELLED), await _dry_run(pool, UNSURE)
    await _apply(pool, other.dry_run)
    changed = await _refused(pool, again.dry_run)
    assert changed.reason == "POLICIES_CHANGED"
    assert "version 2 is in force, it was based on 1" in changed.details

    last = await _dry_run(pool, UNLABELLED)
    stale = await _refused(pool, last.dry_run, caution=replace(CAUTION, valid_for=timedelta(0)))
    assert stale.reason == "DRY_RUN_STALE"


async def test_a_policy_that_removes_too_much_has_to_be_confirmed_by_its_name(pool: Pool) -> None:
    await keep(pool, *(Kept(days=91) for _ in range(3)), *(Kept(days=1) for _ in range(7)))
    caution = replace(CAUTION, most_share=0.2)
    shown = await _dry_run(pool, UNLABELLED, UNSURE, caution=caution)
    assert shown.going[0].needs_confirmation
    refused = await _refused(pool, shown.dry_run, caution=caution)
    assert (refused.reason, type(refused)) == ("REMOVES_TOO_MUCH", Refused)
    assert refused.details == (
        "'unlabelled' would remove 3 of 10 pins, 30% of what is held; the limit is 20% unless it "
        "is confirmed by name"
    )
    assert (await _refused(pool, shown.dry_run, ["unsure"], caution)).reason == "REMOVES_TOO_MUCH"
    unknown = await _refused(pool, shown.dry_run, ["unlabeled"], caution)
    assert type(unknown) is Unprocessable
    applied = await _apply(pool, shown.dry_run, ["unlabelled"], caution)
    assert applied.confirmed == ["unlabelled"]


async def test_bytes_count_as_much_as_pins_do(pool: Pool) -> None:
    await keep(pool, Kept(days=91, size_bytes=900), *(Kept(size_bytes=11) for _ in range(9)))
    shown = await _dry_run(pool, UNLABELLED, caution=replace(CAUTION, most_share=0.5))
    assert shown.going[0].needs_confirmation


@pytest.mark.parametrize("dry_run", ["nothing", "00000000-0000-0000-0000-000000000000"])
async def test_a_dry_run_that_is_not_there_is_not_applied(pool: Pool, dry_run: str) -> None:
    with pytest.raises(NotFound, match=f"there is no dry run '{dry_run}'"):
        await _apply(pool, dry_run)


async def test_no_policies_at_all_remove_nothing(pool: Pool) -> None:
    await keep(pool, Kept(days=5000))
    shown = await _dry_run(pool)
    assert (shown.going, shown.frees_bytes) == ([], 0)
    assert (await _apply(pool, shown.dry_run)).policies == []


async def test_the_forecast_counts_what_comes_and_what_goes(pool: Pool) -> None:
    await keep(pool, *(Kept(days=day / 2, size_bytes=7000) for day in range(1, 15)))
    shown = await _dry_run(pool, UNLABELLED, room_bytes=140_000)
    # 14,000 a day come, and the first goes in 83 days: the room is full after ten.
    assert shown.forecast.arriving_bytes_per_day == pytest.approx(14_000, rel=0.1)
    assert shown.forecast.days_until_full == pytest.approx(10, abs=1)
    short = policy("short", {"for_days": 8}, site=["harbour"])
    assert (await _dry_run(pool, short, room_bytes=140_000)).forecast.days_until_full is None
    assert (await _dry_run(pool, UNLABELLED)).forecast.days_until_full is None


@pytest.mark.parametrize(
    ("flow", "room", "days"),
    [
        (Flow(10), 100, 10),
        (Flow(10), 105, 10.5),
        (Flow(10), 0, 0),
        # 50 go on the third day, and then nothing more.
        (Flow(10, {2: 50}), 100, 15),
        # What comes is kept five days: after that as much goes as comes.
        (Flow(10, {}, {5: 10}), 100, None),
        (Flow(10, {}, {5: 10}), 40, 4),
        (Flow(10, {}, {5: 5}), 100, 15),
    ],
)
def test_days_until_full(flow: Flow, room: float, days: float | None) -> None:
    assert days_until_full(flow, room) == (days if days is None else pytest.approx(days))
