"""The mender: looks at each difference again under its lock, and mends it where it may."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, assert_never
from uuid import UUID

from pinhole.contract.cid import Cid
from pinhole.contract.owners import Owner
from pinhole.contract.reconciliation import Difference, Finding, FindingState
from pinhole.runtime.kubo import BlockMismatch
from pinhole.runtime.postgres import Connection, Pool
from pinning import ledger
from pinning.fetch import Fetcher
from pinning.hub import Hub
from pinning.keeper import Keeper
from pinning.locks import lock
from pinning.reconciling import differences
from pinning.reconciling.steps import Steps
from pinning.wants import NotKept, Want

logger = logging.getLogger(__name__)

BATCH: Final = 64
AT_ONCE: Final = 4


@dataclass(frozen=True)
class Wish:
    """What a run may do."""

    run_id: UUID
    repair: bool
    remove_orphans: bool
    orphan_grace: timedelta
    """Removed are only orphans that a run of that long ago saw: what is on its way in is none."""


class Mender:
    """Mends what a run found."""

    def __init__(self, pool: Pool, hub: Hub, fetcher: Fetcher, keeper: Keeper) -> None:
        self._pool = pool
        self._hub = hub
        self._fetcher = fetcher
        self._keeper = keeper

    async def mend(self, wish: Wish, steps: Steps) -> None:
        """Look at every finding that was not looked at; each is written down when it is settled.

        Interrupted anywhere it goes on with the rest, and repeats at most four.

        Raises:
            PinholeError: the node does not answer.
        """
        while findings := await differences.unlooked_at(self._pool, wish.run_id, BATCH):
            for first in range(0, len(findings), AT_ONCE):
                some = findings[first : first + AT_ONCE]
                await asyncio.gather(*(self._look(wish, finding) for finding in some))
                await steps.step(len(some))

    async def _look(self, wish: Wish, finding: Finding) -> None:
        match finding.kind:
            case Difference.MISSING | Difference.UNPINNED | Difference.ROTTEN:
                state, details = await self._restore(wish, finding.cid)
            case Difference.ORPHAN_PIN | Difference.ORPHAN_BLOCK:
                state, details = await self._orphan(wish, finding.cid)
            case _:
                assert_never(finding.kind)
        await differences.settle(self._pool, wish.run_id, finding, state, details)

    async def _restore(self, wish: Wish, cid: Cid) -> tuple[FindingState, str | None]:
        """Give the node back what the ledger keeps."""
        async with self._pool.acquire() as connection, connection.transaction():
            await lock(connection, [cid])
            state = await connection.fetchval(differences.STATE, cid.binary)
            if state is None or state == "releasing":
                return FindingState.GONE, None
            problem = await self._problem(cid)
            if problem is None and await self._is_pinned(cid):
                await connection.execute(differences.FOUND, cid.binary)
                return FindingState.GONE, None
            if not wish.repair:
                return FindingState.CONFIRMED, problem or "the block is there without its pin"
            if problem is None:
                await self._hub.rpc.pin_add([cid], recursive=not cid.is_frame, offline=True)
                await connection.execute(differences.FOUND, cid.binary)
                return FindingState.REPAIRED, "pinned again"
            # From here on whoever brings the bytes puts them back. Rotten ones have to go first:
            # Kubo does not write a block that it has.
            await connection.execute(differences.LOST, cid.binary)
            await self._hub.unpin([cid])
            await self._hub.remove([cid])
        return await self._fetch(cid, problem)

    async def _problem(self, cid: Cid) -> str | None:
        """Return what is wrong with the node's bytes, None where they are as they should be."""
        if await self._hub.rpc.block_stat(cid) is None:
            return "the node does not have the block"
        try:
            await self._hub.rpc.block_get(cid, offline=True)
        except BlockMismatch as error:
            return f"rotten: {error.details}"
        return None

    async def _is_pinned(self, cid: Cid) -> bool:
        return await self._hub.rpc.is_pinned(cid, kind="direct" if cid.is_frame else "recursive")

    async def _fetch(self, cid: Cid, problem: str) -> tuple[FindingState, str]:
        """Get the bytes from one of those whose they are, as they came the first time."""
        refusals = [problem]
        for row in await self._pool.fetch(differences.OWNERS, cid.binary):
            want = Want(Owner.parse(row["owner"]), cid)
            try:
                await self._keeper.keep(await self._fetcher.fetch(want))
            except NotKept as why:
                refusals.append(f"{want.owner}: {why.reason}: {why.details}")
            else:
                return FindingState.REPAIRED, f"{problem}; fetched from {want.owner}"
        logger.warning("%s cannot be repaired: %s", cid, "; ".join(refusals))
        return FindingState.FAILED, "; ".join(refusals)

    async def _orphan(self, wish: Wish, cid: Cid) -> tuple[FindingState, str | None]:
        """Report what nobody here knows, and remove it only where that was asked for."""
        async with self._pool.acquire() as connection, connection.transaction():
            await lock(connection, [cid])
            if await ledger.is_known(connection, cid) or await self._is_awaited(connection, cid):
                return FindingState.GONE, None
            if await self._hub.rpc.block_stat(cid) is None:
                return FindingState.GONE, None
            if not wish.remove_orphans:
                return FindingState.CONFIRMED, None
            if not await differences.was_orphan_before(connection, cid, wish.orphan_grace):
                hours = wish.orphan_grace.total_seconds() / 3600
                return FindingState.CONFIRMED, f"too new to be removed: seen less than {hours:g} h"
            await self._hub.unpin([cid])
            await self._hub.remove([cid])
            if await self._hub.rpc.block_stat(cid) is not None:
                return FindingState.FAILED, "another pin of the node keeps it"
        return FindingState.REMOVED, None

    @staticmethod
    async def _is_awaited(connection: Connection, cid: Cid) -> bool:
        return bool(await connection.fetchval(differences.AWAITED, cid.binary))
