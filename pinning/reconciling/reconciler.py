"""The reconciler: takes up runs that were asked for, one at a time over all processes.

A run is listing, comparing, mending, sampling, and mending what the sample showed. Every finding is
a row: a run whose process was killed is taken up by the next one where it stood.
"""

import asyncio
import logging
from typing import Final
from uuid import UUID

import asyncpg

from pinhole.contract.errors import PinholeError
from pinhole.contract.reconciliation import Phase, Reconciliation, RunState
from pinhole.runtime.postgres import Pool
from pinhole.runtime.tasks import Pulse
from pinning.hub import Hub
from pinning.metrics import measure_run
from pinning.reconciling import differences, runs, sightings
from pinning.reconciling.mender import Mender, Wish
from pinning.reconciling.nightly import Nightly
from pinning.reconciling.sampler import Sampler
from pinning.reconciling.steps import Steps
from pinning.turns import Work, turn

logger = logging.getLogger(__name__)

_POLL_S: Final = 1.0
# So few may differ whatever their share: one of three blocks is no sign of a wrong node.
ALWAYS_ALLOWED: Final = 20


class TooDifferent(Exception):
    """More differs than may; the sentence says how much."""


class Reconciler:
    """Compares the node with the ledger when it is asked to, and every night."""

    def __init__(self, pool: Pool, hub: Hub, mender: Mender, nightly: Nightly) -> None:
        self._pool = pool
        self._hub = hub
        self._mender = mender
        self._sampler = Sampler(pool, hub.rpc)
        self._nightly = nightly

    async def run(self, pulse: Pulse) -> None:
        """Look for a run every second, for ever."""
        while True:
            await self._ask_nightly()
            await self.take_up(pulse)
            newest = await runs.find(self._pool)
            measure_run(newest)
            pulse.beat()
            if newest is not None and (problem := _problem(newest)):
                pulse.fail(problem)
            await asyncio.sleep(_POLL_S)

    async def _ask_nightly(self) -> None:
        night = self._nightly
        if night.hour is not None:
            await runs.request_nightly(
                self._pool,
                hour=night.hour,
                repair=night.repair,
                max_share=night.max_share,
                sample_blocks=night.sample_blocks,
            )

    async def take_up(self, pulse: Pulse) -> None:
        """Do the run that is asked for, or that another process began and did not end."""
        if await runs.open_run(self._pool) is None:
            return
        async with turn(self._pool, Work.RECONCILING) as mine:
            # Read again: whoever had the turn before may have ended it.
            row = await runs.open_run(self._pool) if mine else None
            if row is not None:
                await self._do(row, pulse)

    async def _do(self, row: asyncpg.Record, pulse: Pulse) -> None:
        run_id = UUID(int=row["run_id"].int)
        try:
            await self._phases(row, run_id, pulse)
        except TooDifferent as refusal:
            logger.warning("reconciling is refused: %s", refusal)
            await runs.finish(self._pool, run_id, RunState.REFUSED, str(refusal))
        except PinholeError as error:
            logger.warning("reconciling failed: %s", error.details)
            await runs.finish(self._pool, run_id, RunState.FAILED, error.details)
        else:
            await runs.finish(self._pool, run_id, RunState.DONE)

    async def _phases(self, row: asyncpg.Record, run_id: UUID, pulse: Pulse) -> None:
        def steps(done: int = 0) -> Steps:
            return Steps(self._pool, run_id, pulse, done=done)

        wish = Wish(run_id, row["repair"], row["remove_orphans"], self._nightly.orphan_grace)
        was_begun = row["listed_from"] is not None
        phase = Phase(row["phase"]) if was_begun else Phase.LISTING
        if phase in (Phase.LISTING, Phase.COMPARING):
            # A half-made list is worth nothing: from the start.
            await self._compare(run_id, row, steps())
        if phase is not Phase.SAMPLING:
            await self._mender.mend(wish, steps())
        count: int = row["sample_blocks"]
        done = row["done"] if phase is Phase.SAMPLING else 0
        await runs.begin_phase(self._pool, run_id, Phase.SAMPLING, count)
        await self._sampler.sample(run_id, count, sampling := steps(done))
        await runs.sampled(self._pool, run_id, sampling.done)
        await self._mender.mend(wish, steps(sampling.done))

    async def _compare(self, run_id: UUID, row: asyncpg.Record, steps: Steps) -> None:
        expected = await runs.expected(self._pool)
        await runs.begin_phase(self._pool, run_id, Phase.LISTING, 2 * expected)
        tally = await sightings.collect(self._pool, self._hub, steps)
        held = await runs.listed(
            self._pool, run_id, pins=tally.pins, blocks=tally.blocks, foreign=tally.foreign
        )
        await runs.begin_phase(self._pool, run_id, Phase.COMPARING, 0)
        allowed = max(ALWAYS_ALLOWED, int(held * row["max_share"]))
        found = await differences.compare(self._pool, run_id, allowed + 1)
        if found > allowed:
            raise TooDifferent(
                f"more than {allowed} pins and blocks differ from the {held} that the ledger keeps "
                f"({row['max_share']:.1%} may): nothing was touched; is this the right node?"
            )
        await runs.begin_phase(self._pool, run_id, Phase.MENDING, found)


def _problem(newest: Reconciliation) -> str | None:
    if newest.state is RunState.REFUSED:
        return newest.details
    if newest.state is RunState.DONE and (left := newest.still_differ):
        return f"{left} blocks are not at the node as they should be: `pinhole reconcile` tells"
    return None
