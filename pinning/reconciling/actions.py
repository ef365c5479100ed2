"""What `pinhole reconcile` does: it asks through the database, and a pinning service does it."""

import argparse
import asyncio
import getpass
import sys
import time
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from pinhole.contract.errors import NotFound, Unavailable, Unprocessable
from pinhole.contract.reconciliation import Phase, Reconciliation, RunState
from pinhole.runtime.postgres import Pool, create_pool
from pinning.reconciling import runs
from pinning.reconciling.commands import DIFFERS
from pinning.settings import PinningSettings

_POLL_S: Final = 0.2
_TAKEN_UP_WITHIN_S: Final = 15.0
_BAR: Final = 30
_WORDS: Final = {
    Phase.LISTING: "listing pins and blocks",
    Phase.COMPARING: "comparing",
    Phase.MENDING: "looking at differences",
    Phase.SAMPLING: "hashing a sample",
}


async def reconcile(arguments: argparse.Namespace) -> Reconciliation:
    """Ask for a run and wait for its end, or tell of the last one.

    Raises:
        Conflict: one is going on.
        Unavailable: no pinning service took it up.
    """
    settings = PinningSettings.load()
    night = settings.nightly
    share = arguments.max_share if arguments.max_share is not None else night.max_share
    sample = arguments.sample if arguments.sample is not None else night.sample_blocks
    if not 0 <= share <= 1:
        raise Unprocessable(f"--max-share is a number from 0 to 1, got {share:g}")
    if sample < 0:
        raise Unprocessable(f"--sample is a number of blocks from 0, got {sample}")
    async with await create_pool(settings.postgres_dsn.get_secret_value(), max_size=1) as pool:
        if arguments.last:
            return await _found(pool, None)
        run_id = await runs.request(
            pool,
            f"operator:{getpass.getuser()}",
            repair=arguments.repair,
            remove_orphans=arguments.remove_orphans,
            max_share=share,
            sample_blocks=sample,
        )
        return await _wait(pool, run_id, shows=not arguments.json and sys.stderr.isatty())


async def _wait(pool: Pool, run_id: UUID, *, shows: bool) -> Reconciliation:
    asked_at = time.monotonic()
    while not (run := await _found(pool, run_id)).is_over:
        if shows:
            sys.stderr.write("\r\x1b[K" + bar(run))
            sys.stderr.flush()
        waited_s = time.monotonic() - asked_at
        if run.state is RunState.REQUESTED and waited_s > _TAKEN_UP_WITHIN_S:
            await runs.finish(pool, run_id, RunState.FAILED, "no pinning service took it up")
            raise Unavailable(
                f"no pinning service took the run up within {_TAKEN_UP_WITHIN_S:g} s: does one run?"
            )
        await asyncio.sleep(_POLL_S)
    if shows:
        sys.stderr.write("\r\x1b[K")
    return run


async def _found(pool: Pool, run_id: UUID | None) -> Reconciliation:
    run = await runs.find(pool, run_id)
    if run is None:
        raise NotFound("nothing was reconciled yet")
    return run


def bar(run: Reconciliation) -> str:
    """Return one line of progress."""
    share = min(1.0, run.done / run.total) if run.total else 0.0
    full = round(share * _BAR)
    count = f"{run.done:,} of {run.total:,}" if run.total else f"{run.done:,}"
    return f"{_WORDS[run.phase]:<24} [{'#' * full}{'.' * (_BAR - full)}] {count}"


def lines_of(run: Reconciliation) -> Iterator[str]:
    """Yield what a run found, for people."""
    yield f"{run.state} {run.finished_at:%Y-%m-%d %H:%M:%S} UTC" if run.finished_at else run.state
    if run.details:
        yield run.details
    if run.held_blocks is not None:
        yield (
            f"the ledger keeps {run.held_blocks:,} blocks; the node has {run.node_pins:,} pins, "
            f"{run.node_blocks:,} blocks and {run.foreign_cids:,} CIDs of other kinds"
        )
    yield f"{run.sampled_blocks:,} blocks were hashed"
    for kind, states in run.counts.items():
        told = ", ".join(f"{count:,} {state}" for state, count in states.items())
        yield f"  {kind.replace('_', ' ')}: {told}"
    for example in run.examples:
        yield f"    {example.cid} {example.kind}: {example.details or example.state}"


def exit_status(run: Reconciliation) -> int:
    """Return 0 where nothing of the ledger's differs any more."""
    if run.state in (RunState.REFUSED, RunState.FAILED):
        return 1
    return DIFFERS if run.still_differ else 0
