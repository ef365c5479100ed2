"""Releasing: blocks that nobody needs any more leave the hub, in small batches, under their locks.

Kubo unpins one block after the other, about 0.8 ms each, and adds wait while a call of it runs:
calls are short. Removing is cheap in large calls (0.2 ms a block) and dear in small ones (each has
a lock and a sync to itself), so a lot of several unpinnings is removed at once. Two lanes: while
one's lot is at Kubo, the other's rows are read and written. Source: kubo.md, and bench/release.py.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Final

from pinhole.contract.cid import Cid
from pinhole.contract.errors import PinholeError, Unavailable
from pinhole.runtime.postgres import Pool
from pinhole.runtime.tasks import Pulse
from pinning import departures
from pinning.file_tree import FileTree
from pinning.hub import Hub
from pinning.locks import lock
from pinning.metrics import RELEASED
from pinning.pace import Pace

logger = logging.getLogger(__name__)

LANES: Final = 2
# A put of a block that is in the lot waits for the whole lot, about 60 ms; others do not.
LOT: Final = 48
_RETRY_S: Final = 5.0
_TRIES: Final = 5


class Releaser:
    """Removes what is `releasing`: unpin, remove, forget; again from the start if interrupted."""

    def __init__(
        self, pool: Pool, hub: Hub, *, tree: FileTree | None = None, every_s: float = 0.5
    ) -> None:
        self._pool = pool
        self._hub = hub
        self._tree = tree
        self._every_s = every_s
        self._pace = Pace()

    async def run_lane(self, pulse: Pulse) -> None:
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
        """Release a lot of blocks, or one tree; return how many went.

        Raises:
            PinholeError: Kubo failed; the rows stay `releasing`.
        """
        return await self._release_frames() or await self._release_tree()

    async def _release_frames(self) -> int:
        for _ in range(_TRIES):
            async with self._pool.acquire() as connection, connection.transaction():
                taken = await departures.take(connection, LOT)
                if not taken:
                    return 0
                # Read under the locks: some were put again, and stay; some the other lane removed
                # between this lane's look and its lock.
                going = await departures.still_releasing(connection, taken)
                if going:
                    await self._unpin(going)
                    await self._hub.remove(going)
                    await self._remove_files(going)
                    await departures.forget(connection, going)
                    RELEASED.inc(len(going))
                    return len(going)
        return 0

    async def _release_tree(self) -> int:
        root = await departures.next_tree(self._pool)
        if root is None:
            return 0
        blocks = await self._hub.blocks_of(root)
        async with self._pool.acquire() as connection, connection.transaction():
            await lock(connection, [root, *blocks])
            going = await departures.still_releasing(connection, [root])
            if going:
                await self._hub.unpin(going)
                await self._hub.remove(blocks)
                await self._remove_files(going)
                await departures.forget(connection, going)
        RELEASED.inc(len(going))
        return len(going)

    async def _unpin(self, cids: Sequence[Cid]) -> None:
        first = 0
        while some := cids[first : first + self._pace.size]:
            started = time.perf_counter()
            await self._hub.unpin(some)
            self._pace.took(len(some), time.perf_counter() - started)
            first += len(some)

    async def _remove_files(self, cids: Sequence[Cid]) -> None:
        """Remove what lies in the file tree too, or lay there before it came to Kubo."""
        if self._tree is None:
            return
        try:
            await asyncio.to_thread(_remove_all, self._tree, cids)
        except OSError as error:
            problem = f"the file tree does not let go of {error.filename}: {error.strerror}"
            raise Unavailable(problem, reason="TREE_UNAVAILABLE") from error


def _remove_all(tree: FileTree, cids: Sequence[Cid]) -> None:
    if problem := tree.problem():
        # A disk that is away would come back with what should be gone.
        raise Unavailable(problem, reason="TREE_UNAVAILABLE")
    for cid in cids:
        tree.remove(cid)
