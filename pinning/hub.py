"""The hub's Kubo: put and pin, take away, and whether it answers at all."""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, TypeVar

from pinhole.contract.cid import Cid
from pinhole.contract.dag_pb import links
from pinhole.contract.errors import PinholeError, Unavailable
from pinhole.runtime.kubo import NOT_PINNED, KuboError, KuboRpc, KuboTimeout
from pinhole.runtime.tasks import Pulse
from pinning.metrics import HUB_UP
from pinning.wants import NotKept, Reason

logger = logging.getLogger(__name__)

PROBE_S: Final = 2.0
PUT_TOGETHER: Final = 8
"""Blocks put by one request: of 32, four requests keep four of Kubo's cores busy."""
_STILL_PINNED: Final = "pinned"

T = TypeVar("T")


class Hub:
    """The one writer of the hub's node. Callers hold the locks of the CIDs they name."""

    def __init__(self, rpc: KuboRpc, *, timeout_s: float) -> None:
        self.rpc = rpc
        self._timeout_s = timeout_s
        self.is_up = True
        """Whether Kubo answered last: nothing is fetched that could not be kept."""
        self.delegates: tuple[str, ...] = ()
        """Where clients reach the node, as it says itself; learnt by `watch`."""

    async def watch(self, pulse: Pulse) -> None:
        """Ask the node for its identity every two seconds, for ever."""
        while True:
            await self._probe(pulse)
            await asyncio.sleep(PROBE_S)

    async def _probe(self, pulse: Pulse) -> None:
        try:
            identity = await self.rpc.identity(timeout_s=self._timeout_s)
        except Unavailable as error:
            if self.is_up:
                logger.warning("the hub's Kubo does not answer: %s", error.details)
            self.is_up = False
            pulse.fail(f"the hub's Kubo does not answer: {error.details}")
        else:
            self.is_up = True
            self.delegates = identity.addresses
            pulse.beat()
        HUB_UP.set(self.is_up)

    async def put_and_pin(self, blocks: Mapping[Cid, bytes]) -> dict[Cid, PinholeError]:
        """Store raw blocks and pin them directly; return what went wrong, by CID."""
        groups = [dict(group) for group in _batched(blocks.items(), PUT_TOGETHER)]
        put = await asyncio.gather(*map(self._put, groups))
        failed = {cid: error for problems in put for cid, error in problems.items()}
        stored = [cid for cid in blocks if cid not in failed]
        if stored:
            failed |= await self._pin(stored)
        if any(_is_silence(error) for error in failed.values()):
            self.is_up = False  # until the next probe says otherwise
        return failed

    async def _put(self, blocks: Mapping[Cid, bytes]) -> dict[Cid, PinholeError]:
        try:
            stored = await self.rpc.block_put_many(list(blocks.values()), timeout_s=self._timeout_s)
        except PinholeError as error:
            if len(blocks) == 1:
                return dict.fromkeys(blocks, error)
        else:
            wrong = {cid: was for cid, was in zip(blocks, stored, strict=True) if cid != was}
            return {cid: KuboError(f"Kubo stored {cid} as {was}") for cid, was in wrong.items()}
        # Which of them it was is not told, and the others must not suffer.
        one_by_one = await asyncio.gather(*(self._put({cid: blocks[cid]}) for cid in blocks))
        return {cid: error for problems in one_by_one for cid, error in problems.items()}

    async def _pin(self, cids: Sequence[Cid]) -> dict[Cid, PinholeError]:
        try:
            # One call: Kubo pins one after the other anyway, about 0.8 ms each (kubo.md).
            await self.rpc.pin_add(cids, offline=True, timeout_s=self._timeout_s)
        except Unavailable as error:
            if len(cids) == 1:
                return {cids[0]: error}
        else:
            return {}
        # Kubo stops at the first that it cannot pin: find which, the others must not suffer.
        one_by_one = [await self._pin([cid]) for cid in cids]
        return {cid: error for failed in one_by_one for cid, error in failed.items()}

    async def add_tree(self, data: bytes) -> Cid:
        """Store a file as a tree and pin it recursively; return its root."""
        root = await self.rpc.add_tree(data, timeout_s=self._timeout_s)
        await self.pin_tree(root)
        return root

    async def root_of(self, data: bytes) -> Cid:
        """Return the root that `add_tree` would store, storing nothing."""
        return await self.rpc.add_tree(data, only_hash=True, timeout_s=self._timeout_s)

    async def pin_tree(self, root: Cid) -> None:
        """Pin a tree whose blocks are all here."""
        await self.rpc.pin_add([root], recursive=True, offline=True, timeout_s=4 * self._timeout_s)

    async def blocks_of(self, cid: Cid) -> list[Cid]:
        """Return a block and everything below it that is here, each once."""
        found = {cid: None}
        waiting = [cid]
        while waiting:
            parent = waiting.pop()
            if parent.is_frame or await self.rpc.block_stat(parent) is None:
                continue
            block = await self.rpc.block_get(parent, timeout_s=self._timeout_s)
            for child in links(block):
                if child not in found:
                    found[child] = None
                    waiting.append(child)
        return list(found)

    async def unpin(self, cids: Sequence[Cid]) -> None:
        """Remove pins of either kind; one that is not there is none to remove."""
        if not cids:
            return
        try:
            # `recursive` removes direct pins too.
            await self.rpc.pin_rm(cids, recursive=True, timeout_s=self._timeout_s)
        except KuboError as error:
            if NOT_PINNED not in error.details:
                raise
            # Kubo stops at the first that is not pinned: what came before it is unpinned.
            if len(cids) > 1:
                for cid in cids:
                    await self.unpin([cid])

    async def remove(self, cids: Sequence[Cid]) -> None:
        """Remove unpinned blocks; what another pin needs stays, and that is right."""
        try:
            await self.rpc.block_rm(cids, timeout_s=self._timeout_s)
        except KuboError as error:
            if _STILL_PINNED not in error.details:
                raise
            # Only the first refusal is told: ask for each, so that no other one stays unheard.
            if len(cids) > 1:
                for cid in cids:
                    await self.remove([cid])


def _batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def not_kept(error: PinholeError) -> NotKept:
    """Return why a want is not kept, when a call to the hub's Kubo ended with `error`."""
    reason = Reason.HUB_UNAVAILABLE if _is_silence(error) else Reason.HUB_REFUSED
    return NotKept(reason, error.details, retryable=True)


def _is_silence(error: PinholeError) -> bool:
    """Whether Kubo gave no answer at all, as against an answer that is an error."""
    return isinstance(error, KuboTimeout) or error.__cause__ is not None
