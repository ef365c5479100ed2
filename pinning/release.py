"""Releasing: blocks that nobody needs any more leave the hub, in batches, under their locks."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from pinhole.contract.cid import Cid
from pinhole.contract.errors import PinholeError, Unavailable
from pinhole.runtime.postgres import Pool
from pinhole.runtime.tasks import Pulse
from pinning import ledger
from pinning.file_tree import FileTree
from pinning.hub import Hub
from pinning.locks import lock
from pinning.metrics import RELEASED

logger = logging.getLogger(__name__)

# A batch holds Kubo's pin lock about 1 ms a block: adds wait at most about 32 ms (kubo.md).
BATCH: Final = 32
_RETRY_S: Final = 5.0


class Releaser:
    """Removes what is `releasing`: unpin, remove, forget; again from the start if interrupted."""

    def __init__(
        self, pool: Pool, hub: Hub, *, tree: FileTree | None = None, every_s: float = 0.5
    ) -> None:
        self._pool = pool
        self._hub = hub
        self._tree = tree
        self._every_s = every_s

    async def run(self, pulse: Pulse) -> None:
        """Release batch after batch, for ever."""
        while True:
            try:
                released = await self.release_batch()
            except PinholeError as error:
                logger.warning("release is put off: %s", error.details)
                pulse.fail(f"blocks cannot be released: {error.details}")
                await asyncio.sleep(_RETRY_S)
                continue
            pulse.beat()
            if not released:
                await asyncio.sleep(self._every_s)

    async def release_batch(self) -> int:
        """Release up to 32 blocks; return how many went.

        Raises:
            PinholeError: Kubo failed; the rows stay `releasing`.
        """
        cids = await ledger.releasing(self._pool, BATCH)
        frames = [cid for cid in cids if cid.is_frame]
        released = await self._release(frames, frames) if frames else 0
        for tree in [cid for cid in cids if not cid.is_frame]:
            released += await self._release([tree], await self._hub.blocks_of(tree))
        return released

    async def _release(self, cids: Sequence[Cid], blocks: Sequence[Cid]) -> int:
        """Release `cids`, which consist of `blocks`."""
        async with self._pool.acquire() as connection, connection.transaction():
            await lock(connection, [*cids, *blocks])
            # Read under the lock: somebody may have put it again, and then it stays.
            going = await ledger.still_releasing(connection, cids)
            if not going:
                return 0
            await self._hub.unpin(going)
            staying = set(cids) - set(going)
            await self._hub.remove([block for block in blocks if block not in staying])
            if self._tree is not None:
                await asyncio.to_thread(self._remove_files, self._tree, going)
            await ledger.remove(connection, going)
        RELEASED.inc(len(going))
        return len(going)

    def _remove_files(self, tree: FileTree, cids: Sequence[Cid]) -> None:
        """Remove what lies in the file tree too, or lay there before it came to Kubo."""
        if problem := tree.problem():
            # A disk that is away would come back with what should be gone.
            raise Unavailable(problem, reason="TREE_UNAVAILABLE")
        try:
            for cid in cids:
                tree.remove(cid)
        except OSError as error:
            problem = f"the file tree does not let go of {error.filename}: {error.strerror}"
            raise Unavailable(problem, reason="TREE_UNAVAILABLE") from error
