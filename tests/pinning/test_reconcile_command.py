"""`pinhole reconcile`: asked by hand, done by the service, told in words and as JSON."""

import argparse
import json
from typing import Any

import pytest

from pinhole.contract.errors import NotFound, Unavailable, Unprocessable
from pinhole.contract.ids import uuid7
from pinhole.contract.reconciliation import Phase, Reconciliation, RunState
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool
from pinning.reconciling import actions, commands
from tests.pinning.conftest import Caller, Service


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    commands.register(parser.add_subparsers())
    return parser.parse_args(["reconcile", *words])


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, postgres_dsn: str) -> None:
    monkeypatch.setenv("PINNING_POSTGRES_DSN", postgres_dsn)


@pytest.mark.usefixtures("environment")
async def test_a_run_by_hand_tells_what_it_found_in_words_and_as_json(
    service: Service, dispatcher: Caller, gate_a: str, camera_rpc: KuboRpc, hub: KuboRpc
) -> None:
    cid = await camera_rpc.block_put(b"a frame of this test")
    await dispatcher.pin(gate_a, [cid])
    await hub.pin_rm([cid])
    # The session's hub holds other tests' blocks, which are orphans to this database.
    seen = await actions.reconcile(parse("--max-share", "1", "--sample", "10"))
    if seen.state is RunState.REFUSED:
        assert actions.exit_status(seen) == 1
        assert "is this the right node?" in "\n".join(actions.lines_of(seen))
        return
    assert actions.exit_status(seen) == commands.DIFFERS
    assert "  unpinned: 1 confirmed" in list(actions.lines_of(seen))
    mended = await actions.reconcile(parse("--repair", "--max-share", "1", "--sample", "0"))
    assert actions.exit_status(mended) == 0
    assert await hub.is_pinned(cid)
    last = await actions.reconcile(parse("--last", "--json"))
    assert json.loads(last.wire())["counts"]["unpinned"] == {"repaired": 1}


@pytest.mark.usefixtures("environment")
async def test_what_cannot_be_is_one_sentence(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFound, match="nothing was reconciled yet"):
        await actions.reconcile(parse("--last"))
    with pytest.raises(Unprocessable, match="from 0 to 1, got 2"):
        await actions.reconcile(parse("--max-share", "2"))
    with pytest.raises(Unprocessable, match="from 0, got -1"):
        await actions.reconcile(parse("--sample", "-1"))
    monkeypatch.setattr(actions, "_TAKEN_UP_WITHIN_S", 0.1)
    with pytest.raises(Unavailable, match="no pinning service took"):
        await actions.reconcile(parse())
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
