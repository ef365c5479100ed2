"""Expiry: what is over goes with its block; what was changed, or is too much, stays."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pinhole.contract.cid import Cid
from pinhole.contract.policies import Policy
from pinhole.contract.scopes import Scope
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool
from pinning.retention import dry_runs, policy_sets
from pinning.retention.expiry import WITHHELD, judge, release_expired
from pinning.retention.why import why
from tests.pinning.conftest import StartService, frame
from tests.pinning.kept import CAUTION, Kept, keep, left, policy
from tests.support.polling import Eventually

DAY = policy("day", {"for_days": 1}, kind=["frame"])
CAREFUL = replace(CAUTION, most_share=0.2)


async def _apply(pool: Pool, *policies: Policy, confirm: bool = False) -> None:
    shown = await dry_runs.make(pool, list(policies), "anna", CAUTION, None)
    names = [one.name for one in policies] if confirm else []
    await dry_runs.apply(pool, shown.dry_run, names, "anna", CAUTION)


async def _remove(pool: Pool) -> None:
    while await release_expired(pool, 2):
        pass


async def test_a_pin_that_is_over_leaves_its_block_to_the_releaser_and_a_record(pool: Pool) -> None:
    over, young = await keep(pool, Kept(days=2), Kept(days=0.5))
    await _apply(pool, DAY)
    await judge(pool, CAUTION)
    await _remove(pool)
    assert await left(pool) == {young.requestid}
    rows = await pool.fetch("SELECT cid FROM pinning.blocks WHERE state = 'releasing'")
    assert [row["cid"] for row in rows] == [over.cid.binary]
    gone = await why(pool, over.cid, plausible_days=30)
    assert not gone.kept
    assert [(one.owner, one.policy, one.version) for one in gone.departed] == [
        ("camera:harbour/gate-a", "day", 2)
    ]
    assert await pool.fetchval("SELECT count(*) FROM pinning.expired") == 0


async def test_a_block_stays_for_as_long_as_any_pin_of_it_does(pool: Pool) -> None:
    first, *_ = await keep(pool, Kept(days=2))
    await keep(pool, replace(first, days=0.5, camera="gate-b", requestid=Kept().requestid))
    await keep(pool, replace(first, days=0.6, requestid=Kept().requestid, size_bytes=1))
    await _apply(pool, DAY)
    await judge(pool, CAUTION)
    await _remove(pool)
    assert len(await left(pool)) == 2
    assert await pool.fetchval("SELECT state FROM pinning.blocks") == "held"
    assert await pool.fetchval("SELECT count(*) FROM pinning.bindings") == 2


async def test_a_pin_that_was_labelled_after_it_was_judged_stays(pool: Pool) -> None:
    labelled, _ = await keep(pool, Kept(days=2), Kept(days=2))
    await _apply(pool, policy("day", {"for_days": 1}, label_status=["none"]))
    await judge(pool, CAUTION)
    await pool.execute(
        "UPDATE pinning.pins SET label_status = 'changed' WHERE requestid = $1", labelled.requestid
    )
    await _remove(pool)
    assert await left(pool) == {labelled.requestid}


async def test_what_was_judged_by_policies_that_are_not_in_force_any_more_stays(
    pool: Pool,
) -> None:
    (pin,) = await keep(pool, Kept(days=2))
    await _apply(pool, DAY)
    await judge(pool, CAUTION)
    await _apply(pool, policy("year", {"for_days": 365}, kind=["frame"]))
    await _remove(pool)
    assert await left(pool) == {pin.requestid}


async def test_more_than_the_usual_share_waits_until_it_is_confirmed_and_then_goes_once(
    pool: Pool,
) -> None:
    await keep(pool, *(Kept(days=2) for _ in range(3)), *(Kept() for _ in range(7)))
    await _apply(pool, DAY)
    found = await judge(pool, CAREFUL)
    assert found is not None
    assert (found.found, found.withheld["day"].pins) == (0, 3)
    assert WITHHELD.labels("day")._value.get() == 3
    await _apply(pool, DAY, confirm=True)
    await judge(pool, CAREFUL)
    await _remove(pool)
    assert len(await left(pool)) == 7
    # Done: what comes to be over now is measured anew.
    await judge(pool, CAREFUL)
    assert (await policy_sets.current(pool)).confirmed == []
    later = datetime.now(UTC) + timedelta(days=3)
    found = await judge(pool, CAREFUL, at=later)
    assert found is not None
    assert found.withheld["day"].pins == 7


async def test_a_set_that_came_with_an_upgrade_removes_nothing_until_it_is_applied(
    pool: Pool,
) -> None:
    (pin,) = await keep(pool, Kept(days=5000))
    await pool.execute("UPDATE pinning.policy_sets SET enforced = false")
    await judge(pool, CAUTION)
    await _remove(pool)
    explained = await why(pool, pin.cid, plausible_days=30)
    assert explained.kept
    assert explained.pins[0].because.endswith("kept, the policies are not enforced")
    shown = await dry_runs.make(pool, None, "anna", CAUTION, None)
    await dry_runs.apply(pool, shown.dry_run, ["unlabelled"], "anna", CAUTION)
    await judge(pool, CAUTION)
    await _remove(pool)
    assert await left(pool) == set()


async def test_counted_and_thinned_pins_go_as_well(pool: Pool) -> None:
    young = await keep(pool, *(Kept(days=hour / 24, camera="gate-a") for hour in range(6)))
    old = await keep(
        pool, *(Kept(days=2 + second / 86_400, camera="gate-b") for second in range(0, 120, 20))
    )
    await _apply(
        pool,
        policy("last", {"last": 2}, camera=["harbour/gate-a"]),
        policy("thin", {"one_per_s": 60, "after_days": 1}, camera=["harbour/gate-b"]),
    )
    await judge(pool, CAUTION)
    await _remove(pool)
    stay = await left(pool)
    assert {pin.requestid for pin in young} & stay == {pin.requestid for pin in young[:2]}
    assert 2 <= len({pin.requestid for pin in old} & stay) <= 3  # minutes that 100 s touch


async def test_two_processes_that_remove_at_once_remove_each_pin_once(pool: Pool) -> None:
    pins = await keep(pool, *(Kept(days=2) for _ in range(20)))
    await _apply(pool, DAY)
    await asyncio.gather(judge(pool, CAUTION), judge(pool, CAUTION))
    await asyncio.gather(_remove(pool), _remove(pool))
    assert await left(pool) == set()
    assert await pool.fetchval("SELECT count(*) FROM pinning.departed") == len(pins)


async def test_a_running_service_takes_what_is_over_from_the_hub(
    start_service: StartService, hub: KuboRpc, pool: Pool, eventually: Eventually
) -> None:
    service = await start_service(policies_every_s=0.2)
    anna = await service.caller("anna", Scope.BLOCKS_WRITE, Scope.PINS_WRITE, Scope.ADMIN)
    kept, over = [Cid.parse((await anna.push(frame()))["cid"]) for _ in range(2)]
    for cid, kind in ((kept, "upload"), (over, "scratch")):
        _, pin = await anna.call("POST", "/pins", json={"cid": str(cid), "meta": {"kind": kind}})
        assert pin["status"] == "pinned"
    await pool.execute("UPDATE pinning.pins SET created_at = created_at - interval '2 days'")
    policies = [{"name": "scratch", "where": {"kind": ["scratch"]}, "keep": {"for_days": 1}}]
    status, shown = await anna.call("POST", "/api/v1/dry-runs", json={"policies": policies})
    assert (status, shown["going_in_all"]["pins"]) == (201, 1)
    body = {"dry_run": shown["dry_run"], "confirm": ["scratch"]}
    status, applied = await anna.call("POST", "/api/v1/policies", json=body)
    assert (status, applied["version"]) == (201, 2)

    async def is_gone() -> bool:
        return await hub.block_stat(over) is None

    await eventually(is_gone)
    assert await hub.is_pinned(kept)
    status, explained = await anna.call("GET", f"/api/v1/why/{kept}")
    assert explained["pins"][0]["because"] == "kept for ever: no policy is about it"
