"""The sampler: the bytes of random blocks are hashed, for disks rot without telling."""

import asyncio
import secrets
from typing import Final
from uuid import UUID

from pinhole.contract.cid import Cid
from pinhole.contract.reconciliation import Difference
from pinhole.runtime.kubo import BlockMismatch, KuboRpc
from pinhole.runtime.postgres import Pool
from pinning.reconciling import differences
from pinning.reconciling.steps import Steps

# 64 blocks of 2 MB are never in memory at once: four are.
BATCH: Final = 64
AT_ONCE: Final = 4


class Sampler:
    """Reads blocks at the node and compares their hashes with their CIDs."""

    def __init__(self, pool: Pool, rpc: KuboRpc) -> None:
        self._pool = pool
        self._rpc = rpc
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def sample(self, run_id: UUID, count: int, steps: Steps) -> None:
        """Look at about `count` random blocks; what is wrong is written down as a finding.

        Raises:
            PinholeError: the node does not answer.
        """
        while steps.done < count:
            size = min(BATCH, count - steps.done)
            points = [Cid(secrets.token_bytes(32)) for _ in range(size)]
            cids = await differences.sample(self._pool, points)
            found = await asyncio.gather(*map(self._look, cids))
            for kind in (Difference.ROTTEN, Difference.MISSING):
                wrong = [cid for cid, what in zip(cids, found, strict=True) if what is kind]
                if wrong:
                    await differences.add(self._pool, run_id, wrong, kind)
            await steps.step(size)

    async def _look(self, cid: Cid) -> Difference | None:
        async with self._turns:
            if await self._rpc.block_stat(cid) is None:
                return Difference.MISSING
            try:
                await self._rpc.block_get(cid, offline=True)
            except BlockMismatch:
                return Difference.ROTTEN
        return None
