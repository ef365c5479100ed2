"""What the node holds against what the ledger says: found, reported, repaired, never guessed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pinhole.contract.cid import Cid
from pinhole.contract.pins import Origin, Status
from pinhole.contract.reconciliation import Difference, FindingState, Reconciliation, RunState
from pinhole.contract.scopes import Scope
from pinhole.runtime.kubo import BlockMismatch, KuboRpc
from pinhole.runtime.postgres import Pool
from pinhole.stack.kubo_node import KuboNode
from tests.pinning.conftest import Caller, House, frame
from tests.support.polling import Eventually

Run = Callable[..., Awaitable[Reconciliation]]
COUNT = 6


@pytest.fixture
async def dispatch(house: House) -> Caller:
    return await house.service.caller("dispatcher", Scope.PINS_SERVICE)


@pytest.fixture
async def frames(
    house: House, dispatch: Caller, camera_kubo: KuboNode, camera_rpc: KuboRpc
) -> list[Cid]:
    """Frames of an enrolled camera, pinned at the hub."""
    await dispatch.enrol("gate-a", Origin(gateway_url=camera_kubo.gateway_url))
    cids = [await camera_rpc.block_put(frame(3_000)) for _ in range(COUNT)]
    results = await dispatch.pin("gate-a", cids)
    assert {result.status for result in results} == {Status.PINNED}
    return cids


@pytest.fixture
async def reconcile(house: House, eventually: Eventually) -> Run:
    operator = await house.service.caller("operator", Scope.ADMIN)

    async def run(**wish: Any) -> Reconciliation:
        status, answer = await operator.call("POST", "/api/v1/reconciliations", json=wish)
        assert status == 202, answer

        async def ended() -> Reconciliation | None:
            path = f"/api/v1/reconciliations/{answer['run_id']}"
            _, now = await operator.call("GET", path)
            told = Reconciliation.model_validate(now)
            return told if told.is_over else None

        return await eventually(ended, timeout_s=30)

    return run


def states(run: Reconciliation, kind: Difference) -> dict[FindingState, int]:
    return run.counts.get(kind, {})


async def test_a_node_that_holds_what_it_should_differs_in_nothing(
    frames: list[Cid], reconcile: Run
) -> None:
    run = await reconcile()
    assert (run.state, run.counts, run.details) == (RunState.DONE, {}, None)
    assert (run.held_blocks, run.node_pins, run.node_blocks) == (COUNT, COUNT, COUNT)
    assert run.sampled_blocks > 0


async def test_a_tree_and_its_leaves_are_no_orphans(
    house: House, frames: list[Cid], reconcile: Run
) -> None:
    anna = await house.service.caller("anna", Scope.BLOCKS_WRITE)
    root = Cid.parse((await anna.push(frame(5_000_000)))["cid"])
    run = await reconcile()
    # Kubo's `add` leaves one block of its own: a directory with the tree in it, 110 bytes.
    assert run.counts == {Difference.ORPHAN_BLOCK: {FindingState.CONFIRMED: 1}}
    (stray,) = run.examples
    assert root.binary in await house.rpc.block_get(stray.cid)


async def test_what_lies_in_the_file_tree_is_not_missing_from_the_node(
    house: House, frames: list[Cid], reconcile: Run, pool: Pool
) -> None:
    """One moved out of Kubo, one that Kubo has a copy of still."""
    await pool.execute(
        "UPDATE pinning.blocks SET in_file_tree = true WHERE cid = ANY ($1::bytea[])",
        [cid.binary for cid in frames[:2]],
    )
    await house.rpc.pin_rm(frames[:1])
    await house.rpc.block_rm(frames[:1])
    run = await reconcile(repair=True, sample_blocks=200)
    assert (run.counts, run.held_blocks) == ({}, COUNT - 2)


async def test_looking_alone_reports_what_is_missing_and_touches_nothing(
    house: House, frames: list[Cid], reconcile: Run, pool: Pool, eventually: Eventually
) -> None:
    await house.rpc.pin_rm(frames[:2])
    await house.rpc.block_rm(frames[:1])
    run = await reconcile(sample_blocks=0)
    assert states(run, Difference.MISSING) == {FindingState.CONFIRMED: 1}
    assert states(run, Difference.UNPINNED) == {FindingState.CONFIRMED: 1}
    assert {example.cid for example in run.examples} == set(frames[:2])
    assert await house.rpc.block_stat(frames[0]) is None
    assert not await house.rpc.is_pinned(frames[1])
    assert await pool.fetchval("SELECT bool_and(state = 'held') FROM pinning.blocks")

    async def is_told() -> bool:
        async with house.service.session.get(f"{house.service.base}/healthz") as response:
            return "2 blocks" in (await response.json())["parts"]["reconciler"]

    await eventually(is_told)
    async with house.service.session.get(f"{house.service.base}/metrics") as response:
        text = await response.text()
    assert 'pinhole_pinning_differences{kind="missing",state="confirmed"} 1.0' in text


async def test_what_the_node_lost_is_fetched_from_the_camera_and_pinned_again(
    house: House, frames: list[Cid], reconcile: Run, pool: Pool
) -> None:
    await house.rpc.pin_rm(frames[:3])
    await house.rpc.block_rm(frames[:2])
    run = await reconcile(repair=True)
    assert states(run, Difference.MISSING) == {FindingState.REPAIRED: 2}
    assert states(run, Difference.UNPINNED) == {FindingState.REPAIRED: 1}
    for cid in frames:
        assert await house.rpc.is_pinned(cid)
    assert await pool.fetchval("SELECT bool_and(state = 'held') FROM pinning.blocks")
    assert (await reconcile()).counts == {}


async def test_a_file_that_rotted_on_the_disk_is_found_by_its_hash_and_replaced(
    house: House, frames: list[Cid], reconcile: Run
) -> None:
    damaged = house.file_of(frames[4])

    def rot() -> None:
        data = bytearray(damaged.read_bytes())
        data[1_000] ^= 1
        damaged.chmod(0o600)
        damaged.write_bytes(data)

    await asyncio.to_thread(rot)
    with pytest.raises(BlockMismatch):
        await house.rpc.block_get(frames[4])
    looked = await reconcile(sample_blocks=200)
    assert states(looked, Difference.ROTTEN) == {FindingState.CONFIRMED: 1}
    mended = await reconcile(repair=True, sample_blocks=200)
    assert states(mended, Difference.ROTTEN) == {FindingState.REPAIRED: 1}
    assert frames[4].matches(await house.rpc.block_get(frames[4], offline=True))
    assert await house.rpc.is_pinned(frames[4])


async def test_what_nobody_has_any_more_is_told_and_healed_by_whoever_brings_the_bytes(
    house: House, reconcile: Run, pool: Pool
) -> None:
    anna = await house.service.caller("anna", Scope.BLOCKS_WRITE, Scope.PINS_WRITE)
    data = frame()
    cid = Cid.parse((await anna.push(data))["cid"])
    await anna.call("POST", "/pins", json={"cid": str(cid)})
    await house.rpc.pin_rm([cid])
    await house.rpc.block_rm([cid])
    run = await reconcile(repair=True)
    assert states(run, Difference.MISSING) == {FindingState.FAILED: 1}
    assert "token:anna: NOT_AT_ORIGIN" in (run.examples[0].details or "")
    assert await pool.fetchval("SELECT state FROM pinning.blocks") == "missing"
    assert (await anna.push(data))["duplicate"] is True
    assert await house.rpc.is_pinned(cid)
    assert (await reconcile()).counts == {}


async def test_a_lost_block_that_nobody_needs_any_more_is_let_go(
    house: House, reconcile: Run, pool: Pool, eventually: Eventually
) -> None:
    anna = await house.service.caller("anna", Scope.BLOCKS_WRITE, Scope.PINS_WRITE)
    cid = Cid.parse((await anna.push(frame()))["cid"])
    _, pin = await anna.call("POST", "/pins", json={"cid": str(cid)})
    await house.rpc.pin_rm([cid])
    await house.rpc.block_rm([cid])
    await reconcile(repair=True)
    await anna.call("DELETE", f"/pins/{pin['requestid']}")

    async def is_forgotten() -> bool:
        return not await pool.fetchval("SELECT count(*) FROM pinning.blocks")

    await eventually(is_forgotten)


async def test_orphans_are_reported_and_removed_only_when_asked_and_known_for_a_while(
    house: House, frames: list[Cid], reconcile: Run
) -> None:
    pinned, loose = await house.rpc.block_put(frame()), await house.rpc.block_put(frame())
    await house.rpc.pin_add([pinned])
    reported = await reconcile(repair=True)
    assert states(reported, Difference.ORPHAN_PIN) == {FindingState.CONFIRMED: 1}
    assert states(reported, Difference.ORPHAN_BLOCK) == {FindingState.CONFIRMED: 1}
    too_new = await reconcile(remove_orphans=True)
    assert states(too_new, Difference.ORPHAN_PIN) == {FindingState.CONFIRMED: 1}
    assert await house.rpc.is_pinned(pinned)
    await house.service.pool.execute(
        "UPDATE pinning.reconciliations SET listed_from = listed_from - interval '2 hours'"
    )
    removed = await reconcile(remove_orphans=True)
    assert states(removed, Difference.ORPHAN_PIN) == {FindingState.REMOVED: 1}
    assert states(removed, Difference.ORPHAN_BLOCK) == {FindingState.REMOVED: 1}
    assert [await house.rpc.block_stat(cid) for cid in (pinned, loose)] == [None, None]
    assert all([await house.rpc.is_pinned(cid) for cid in frames])


async def test_a_node_that_differs_too_much_is_not_touched(
    house: House, frames: list[Cid], reconcile: Run, pool: Pool, eventually: Eventually
) -> None:
    """As when the address of another, empty node is configured by mistake."""
    orphans = [await house.rpc.block_put(frame(100)) for _ in range(30)]
    await house.rpc.pin_rm(frames)
    run = await reconcile(repair=True, remove_orphans=True, max_share=0.5)
    assert run.state is RunState.REFUSED
    assert "more than 20 pins and blocks differ from the 6" in (run.details or "")
    assert not await house.rpc.is_pinned(frames[0])
    assert await house.rpc.block_stat(orphans[0]) is not None

    async def is_told() -> bool:
        async with house.service.session.get(f"{house.service.base}/healthz") as response:
            return "right node" in (await response.json())["parts"]["reconciler"]

    await eventually(is_told)


async def test_a_second_run_waits_for_the_first_and_only_operators_may_ask(
    house: House, frames: list[Cid], pool: Pool
) -> None:
    operator = await house.service.caller("operator", Scope.ADMIN)
    outsider = await house.service.client("outsider")
    path = "/api/v1/reconciliations"
    assert (await operator.call("GET", f"{path}/newest"))[0] == 404
    assert (await outsider.call("POST", path, json={}))[0] == 403
    assert (await operator.call("POST", path, json={"max_share": 1.5}))[0] == 422
    answers = await asyncio.gather(*(operator.call("POST", path, json={}) for _ in range(2)))
    assert sorted(status for status, _ in answers) == [202, 409]
    assert (await operator.call("GET", f"{path}/newest"))[0] == 200
    assert (await operator.call("GET", f"{path}/nonsense"))[0] == 404


async def test_a_run_whose_process_was_killed_is_taken_up_where_it_stood(
    house: House, frames: list[Cid], reconcile: Run, pool: Pool, eventually: Eventually
) -> None:
    """As a killed process leaves it: two findings, one of them settled, in the phase of mending."""
    await house.rpc.pin_rm(frames[:1])
    await pool.execute(
        """
        INSERT INTO pinning.reconciliations (run_id, requested_by, repair, remove_orphans,
            max_share, sample_blocks, state, phase, listed_from, total)
        VALUES ('01890a5d-ac96-774b-bcce-b302099a8057', 'x', true, false, 1, 0, 'requested',
                'listing', NULL, 2)
        """
    )
    await pool.execute(
        """
        WITH run AS (
            UPDATE pinning.reconciliations
            SET state = 'running', phase = 'mending', listed_from = now() RETURNING run_id
        )
        INSERT INTO pinning.findings (run_id, cid, kind, state)
        SELECT run_id, cid, 'unpinned', CASE WHEN cid = $1 THEN 'seen' ELSE 'repaired' END
            ::pinning.finding_state
        FROM run, pinning.blocks WHERE cid = ANY ($2::bytea[])
        """,
        frames[0].binary,
        [cid.binary for cid in frames[:2]],
    )

    async def is_done() -> bool:
        query = "SELECT state = 'done' FROM pinning.reconciliations"
        return bool(await pool.fetchval(query))

    await eventually(is_done)
    assert await house.rpc.is_pinned(frames[0])
