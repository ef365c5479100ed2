"""Holds win: over policies, over requests, over what comes to be decided later."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pinhole.contract.cid import Cid
from pinhole.contract.errors import Conflict, NotFound
from pinhole.contract.holds import HoldRequest
from pinhole.contract.policies import Policy, Selection
from pinhole.runtime.postgres import Pool
from pinning.retention import dry_runs, holds
from pinning.retention.expiry import judge, release_expired
from pinning.retention.why import why
from tests.pinning.kept import CAUTION, Kept, keep, left, policy
from tests.pinning.test_verdicts import pins_of, policies_of


def _hold(**fields: Any) -> HoldRequest:
    return HoldRequest.model_validate({"kind": "case", "reason": "case 4711", **fields})


async def enforce(pool: Pool, *policies: Policy) -> None:
    """Put policies into force and remove what they say is over."""
    shown = await dry_runs.make(pool, list(policies), "anna", CAUTION, None)
    await dry_runs.apply(pool, shown.dry_run, [one.name for one in policies], "anna", CAUTION)
    await judge(pool, CAUTION)
    while await release_expired(pool, 3):
        pass


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    pins=pins_of,
    policies=policies_of,
    names=st.lists(st.integers(0, 11), max_size=4),
    where=st.none() | st.sampled_from([{"site": ["harbour"]}, {"city": ["ulm"]}]),
)
async def test_no_policies_whatever_remove_a_pin_that_is_held(
    pool: Pool,
    pins: list[Kept],
    policies: list[Policy],
    names: list[int],
    where: dict[str, Any] | None,
) -> None:
    await pool.execute(
        "TRUNCATE pinning.pins, pinning.bindings, pinning.blocks, pinning.hold_cids, pinning.holds,"
        " pinning.departed"
    )
    await keep(pool, *pins)
    named = {pins[number].cid for number in names if number < len(pins)}
    if named:
        await holds.add(pool, _hold(cids=list(named)), "bob")
    if where is not None:
        await holds.add(pool, _hold(where=where), "bob")
    await enforce(pool, *policies)
    selected = Selection.model_validate(where) if where else None
    held = {
        pin.requestid
        for pin in pins
        if pin.cid in named
        or (selected and selected.site and pin.site in selected.site)
        or (selected and selected.city and pin.city in selected.city)
    }
    stay = await left(pool)
    assert held <= stay
    assert len(stay) + await pool.fetchval("SELECT count(*) FROM pinning.departed") == len(pins)


DAY = policy("day", {"for_days": 1}, kind=["frame"])


async def test_what_is_lifted_goes_with_the_next_round(pool: Pool) -> None:
    (pin,) = await keep(pool, Kept(days=2))
    hold = await holds.add(pool, _hold(cids=[pin.cid]), "bob")
    assert (hold.pins, hold.cids, hold.created_by) == (1, 1, "bob")
    await enforce(pool, DAY)
    assert await left(pool) == {pin.requestid}
    lifted = await holds.lift(pool, hold.hold, "case closed", "carla")
    assert (lifted.lifted_by, lifted.lifted_because) == ("carla", "case closed")
    assert lifted.lifted_at is not None
    await enforce(pool, DAY)
    assert await left(pool) == set()
    with pytest.raises(Conflict, match="was lifted by carla before"):
        await holds.lift(pool, hold.hold, "once more", "bob")
    assert await holds.list_all(pool, lifted=False) == []
    assert [one.hold for one in await holds.list_all(pool, lifted=True)] == [hold.hold]


async def test_a_hold_that_says_where_is_about_what_comes_later_too(pool: Pool) -> None:
    await holds.add(pool, _hold(where={"camera": ["harbour/gate-a"]}), "bob")
    held, _ = await keep(pool, Kept(days=2), Kept(days=2, camera="gate-b"))
    await enforce(pool, DAY)
    assert await left(pool) == {held.requestid}


async def test_a_time_is_that_of_the_capture_or_of_the_arrival(pool: Pool) -> None:
    now = datetime.now(UTC)
    since, until = now - timedelta(days=5), now - timedelta(days=3)
    arrived, captured, _ = await keep(
        pool, Kept(days=4), Kept(days=2, captured_days=4.5), Kept(days=2)
    )
    await holds.add(
        pool,
        _hold(where={"site": ["harbour"]}, captured_from=since, captured_to=until),
        "bob",
    )
    await enforce(pool, DAY)
    assert await left(pool) == {arrived.requestid, captured.requestid}


async def test_a_hold_that_comes_between_judging_and_removing_is_in_time(pool: Pool) -> None:
    pin, other = await keep(pool, Kept(days=2), Kept(days=2))
    shown = await dry_runs.make(pool, [DAY], "anna", CAUTION, None)
    await dry_runs.apply(pool, shown.dry_run, [], "anna", CAUTION)
    found = await judge(pool, CAUTION)
    assert found is not None
    assert found.found == 2
    await holds.add(pool, _hold(cids=[pin.cid]), "bob")
    assert await release_expired(pool, 10) == 2
    assert await left(pool) == {pin.requestid}
    assert (await why(pool, other.cid, plausible_days=30)).departed[0].policy == "day"


async def test_an_acknowledged_hold_is_never_overtaken_by_a_removal_under_way(pool: Pool) -> None:
    pins = await keep(pool, *(Kept(days=2) for _ in range(40)))
    shown = await dry_runs.make(pool, [DAY], "anna", CAUTION, None)
    await dry_runs.apply(pool, shown.dry_run, [], "anna", CAUTION)
    await judge(pool, CAUTION)
    kept: set[Any] = set()

    async def remove() -> None:
        while await release_expired(pool, 2):
            pass

    async def hold() -> None:
        for pin in pins[::4]:
            added = await holds.add(pool, _hold(cids=[pin.cid]), "bob")
            if added.pins:  # it was there still when the hold was acknowledged
                kept.add(pin.requestid)

    await asyncio.gather(remove(), remove(), hold())
    assert await left(pool) == kept


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"reason": ""}, "at least 3 characters"),
        ({"reason": "   \n"}, "a reason is needed"),
        ({"reason": "a\0b"}, "a character that cannot be stored"),
        ({}, "names cids, or says where"),
        ({"cids": [str(Cid.of(b"x"))], "where": {"site": ["a"]}}, "names cids, or says where"),
        ({"cids": []}, "at least 1 item"),
        ({"cids": ["bafknonsense"]}, "cids.0"),
        ({"where": {}}, "a hold on everything"),
        ({"where": {"site": ["*"]}}, "has a wildcard"),
        ({"where": {"sites": ["a"]}}, "Extra inputs are not permitted"),
        ({"where": {"site": ["a"]}, "captured_from": "2026-01-01T00:00:00"}, "timezone"),
        (
            {
                "where": {},
                "captured_from": "2026-01-02T00:00:00Z",
                "captured_to": "2026-01-01T00:00:00Z",
            },
            "captured_from lies before captured_to",
        ),
        ({"kind": "mood", "where": {"site": ["a"]}}, "'legal' or 'case'"),
    ],
)
def test_a_hold_that_cannot_be_is_refused_in_a_sentence(
    fields: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        _hold(**fields)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("hold", ["nothing", "00000000-0000-0000-0000-000000000000"])
async def test_a_hold_that_is_not_there_cannot_be_lifted(pool: Pool, hold: str) -> None:
    with pytest.raises(NotFound, match=f"there is no hold '{hold}'"):
        await holds.lift(pool, hold, "because", "bob")
