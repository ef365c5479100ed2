"""Bitswap: the way to bytes whose owner has no gateway that answers.

Bitswap cannot say who sent a block, and the hub answers from its own store first. So a block
that came this way proves an owner only if the hub did not have it and it is nobody else's.
Costs 21 to 41 ms instead of 1 (kubo.md).
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import NoReturn

from pinhole.contract.cid import Cid
from pinhole.contract.dag_pb import BadTree, links
from pinhole.contract.errors import PinholeError
from pinhole.runtime.kubo import BlockMismatch, BlockTooLarge, KuboTimeout
from pinhole.runtime.postgres import Pool
from pinning import ledger
from pinning.hub import Hub, not_kept
from pinning.locks import lock
from pinning.wants import Arrival, NotKept, Reason, Source, Want

logger = logging.getLogger(__name__)


class Bitswap:
    """Fetches over bitswap from the peers that the hub is connected to."""

    def __init__(
        self, pool: Pool, hub: Hub, *, timeout_s: float, at_once: int, max_tree_bytes: int
    ) -> None:
        self._pool = pool
        self._hub = hub
        self._timeout_s = timeout_s
        # Its own: blocks that nobody has must not keep cameras' frames waiting.
        self._slots = asyncio.Semaphore(at_once)
        self._max_tree_bytes = max_tree_bytes

    async def fetch(self, want: Want) -> Arrival:
        """Return the bytes of `want`; a tree's blocks stay, unpinned, in the hub's store.

        Raises:
            NotKept: nobody sent them in time, or they cannot prove their owner.
        """
        async with self._slots:
            if not want.cid.is_frame:
                return Arrival(want, Source.BITSWAP, await self._tree(want), None)
            data = await self._block(want)
            return Arrival(want, Source.BITSWAP, len(data), data)

    async def dial(self, addresses: Sequence[str]) -> bool:
        """Connect the hub to a peer, by multiaddresses inside allowed networks.

        Returns whether one of them is connected now.
        """
        calls = (self._hub.rpc.swarm_connect(address, timeout_s=3) for address in addresses)
        problems = await asyncio.gather(*calls, return_exceptions=True)
        for problem in problems:
            if isinstance(problem, PinholeError):
                logger.debug("swarm/connect: %s", problem.details)
            elif problem is not None:
                raise problem
        return None in problems

    async def _block(self, want: Want) -> bytes:
        cid = want.cid
        if await ledger.is_anothers(self._pool, want):
            await self._pretend_to_ask(cid)
        await self._forget_stray(cid)
        try:
            return await self._hub.rpc.block_get(cid, timeout_s=self._timeout_s)
        except KuboTimeout as error:
            raise _not_found(cid, self._timeout_s) from error
        except BlockMismatch as error:
            raise NotKept(Reason.HASH_MISMATCH, error.details) from error
        except BlockTooLarge as error:
            raise NotKept(Reason.TOO_LARGE, error.details) from error
        except PinholeError as error:
            raise not_kept(error) from error

    async def _forget_stray(self, cid: Cid) -> None:
        """Remove what an interrupted attempt left in the store, so that it has to come again."""
        try:
            if await self._hub.rpc.block_stat(cid) is None:
                return
            async with self._pool.acquire() as connection, connection.transaction():
                await lock(connection, [cid])
                if not await ledger.is_known(connection, cid):
                    await self._hub.remove([cid])
            left = await self._hub.rpc.block_stat(cid)
        except PinholeError as error:
            raise not_kept(error) from error
        if left is not None:
            # A pin keeps it: it cannot be made to come from its owner.
            await self._pretend_to_ask(cid)

    async def _pretend_to_ask(self, cid: Cid) -> NoReturn:
        """Fail in the words and the time of bytes that nobody has: others' are not told of."""
        await asyncio.sleep(self._timeout_s)
        raise _not_found(cid, self._timeout_s)

    async def _tree(self, want: Want) -> int:
        """Bring all blocks of a tree, each once; return their size in bytes."""
        size_bytes = 0
        seen = {want.cid}
        waiting = [want.cid]
        while waiting:
            cid = waiting.pop()
            block = await self._block(Want(want.owner, cid))
            size_bytes += len(block)
            if size_bytes > self._max_tree_bytes:
                raise NotKept(
                    Reason.TOO_LARGE, f"the tree has more than {self._max_tree_bytes} bytes"
                )
            new = [child for child in _links(cid, block) if child not in seen]
            seen.update(new)
            waiting += dict.fromkeys(new)
        return size_bytes


def _links(cid: Cid, block: bytes) -> tuple[Cid, ...]:
    if cid.is_frame:
        return ()
    try:
        return links(block)
    except BadTree as error:
        raise NotKept(Reason.BAD_TREE, f"{cid}: {error.details}") from error


def _not_found(cid: Cid, timeout_s: float) -> NotKept:
    return NotKept(
        Reason.NOT_AT_ORIGIN,
        f"no connected peer sent {cid} within {timeout_s:g} s",
        retryable=True,
    )
