"""`pinhole reconcile`: asked by hand, done by the service, told in words and as JSON."""

import argparse
import asyncio
import json
from typing import Any

import pytest

from pinhole.contract.cid import Cid
from pinhole.contract.errors import NotFound, Unavailable, Unprocessable
from pinhole.contract.ids import uuid7
from pinhole.contract.reconciliation import Phase, Reconciliation
from pinhole.contract.scopes import Scope
from pinhole.runtime.postgres import Pool
from pinning.reconciling import actions, commands
from tests.pinning.conftest import House, frame


async def reconcile(*words: str) -> Reconciliation:
    """Do as the command does; argparse looks for translations on the disk."""

    def parse() -> argparse.Namespace:
        parser = argparse.ArgumentParser()
        commands.register(parser.add_subparsers())
        return parser.parse_args(["reconcile", *words])

    return await actions.reconcile(await asyncio.to_thread(parse))


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, postgres_dsn: str) -> None:
    monkeypatch.setenv("PINNING_POSTGRES_DSN", postgres_dsn)


@pytest.mark.usefixtures("environment")
async def test_a_run_by_hand_tells_what_it_found_in_words_and_as_json(house: House) -> None:
    anna = await house.service.caller("anna", Scope.BLOCKS_WRITE)
    cid = Cid.parse((await anna.push(frame()))["cid"])
    await house.rpc.pin_rm([cid])
    seen = await reconcile("--sample", "10")
    assert actions.exit_status(seen) == commands.DIFFERS
    lines = list(actions.lines_of(seen))
    assert "the ledger keeps 1 blocks; the node has 0 pins, 1 blocks" in lines[1]
    assert "  unpinned: 1 confirmed" in lines
    mended = await reconcile("--repair", "--sample", "0")
    assert actions.exit_status(mended) == 0
    assert await house.rpc.is_pinned(cid)
    last = await reconcile("--last", "--json")
    assert json.loads(last.wire())["counts"]["unpinned"] == {"repaired": 1}


@pytest.mark.usefixtures("environment")
async def test_what_cannot_be_is_one_sentence(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFound, match="nothing was reconciled yet"):
        await reconcile("--last")
    with pytest.raises(Unprocessable, match="from 0 to 1, got 2"):
        await reconcile("--max-share", "2")
    with pytest.raises(Unprocessable, match="from 0, got -1"):
        await reconcile("--sample", "-1")
    monkeypatch.setattr(actions, "_TAKEN_UP_WITHIN_S", 0.1)
    with pytest.raises(Unavailable, match="no pinning service took"):
        await reconcile()
    # What nobody took up does not stand in the next one's way.
    assert await pool.fetchval("SELECT state FROM pinning.reconciliations") == "failed"


def test_the_bar_tells_the_phase_and_how_far_it_is() -> None:
    known: dict[str, Any] = {
        "run_id": uuid7(),
        "state": "running",
        "repair": False,
        "remove_orphans": False,
        "max_share": 0.05,
        "requested_by": "x",
        "requested_at": "2026-01-01T00:00:00Z",
    }
    half = Reconciliation(phase=Phase.LISTING, done=1_000_000, total=2_000_000, **known)
    line = actions.bar(half)
    assert line.startswith("listing pins and blocks")
    assert "[###############...............] 1,000,000 of 2,000,000" in line
    assert "0.0" not in actions.bar(half.model_copy(update={"done": 0, "total": 0}))
