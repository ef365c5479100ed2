"""Where bytes that are pushed go, and where they come from again: Kubo, or the file tree.

Both keep the same promises, and the same tests hold them to these. What is held, for whom and for
how long is the ledger's in either case.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid
from pinhole.contract.dag_pb import links
from pinhole.contract.errors import Gone, NotFound, TooLarge, Unavailable
from pinhole.contract.owners import Owner
from pinhole.contract.pins import BlockStored
from pinhole.runtime.kubo import BlockMismatch, BlockMissing
from pinhole.runtime.postgres import Pool
from pinning import ledger
from pinning.file_tree import FileTree
from pinning.hub import Hub
from pinning.keeper import Keeper
from pinning.locks import locked
from pinning.wants import Arrival, NotKept, Reason, Source, Want

_ERASED: Final = "{} was erased and is not taken again"


@dataclass(frozen=True)
class Push:
    """Bytes that somebody sent, whole, with their hash."""

    owner: Owner
    data: bytes
    sha256: bytes


class Store(Protocol):
    """A place for bytes."""

    async def store(self, push: Push) -> BlockStored:
        """Return when the bytes are durable, bound to their owner and written down.

        Raises:
            Gone: they were erased.
            TooLarge: this store does not take so much in one piece.
            Unavailable: the store or PostgreSQL does not do its part now; try again.
        """

    async def fetch(self, cid: Cid) -> bytes:
        """Return bytes that were stored, verified.

        Raises:
            BlockMissing: they are not here.
            BlockMismatch: what is here was damaged.
            Unavailable: the store does not answer.
        """


class KuboStore:
    """The hub's Kubo: up to 2,096,896 bytes are one raw block, more become a tree of blocks."""

    def __init__(self, hub: Hub, keeper: Keeper, *, kept_for: timedelta, timeout_s: float) -> None:
        self._hub = hub
        self._keeper = keeper
        self._kept_for = kept_for
        self._timeout_s = timeout_s

    async def store(self, push: Push) -> BlockStored:
        """Put, pin, bind."""
        is_block = len(push.data) <= MAX_BLOCK_BYTES
        cid = Cid.from_sha256(push.sha256) if is_block else await self._hub.root_of(push.data)
        try:
            kept = await self._keeper.keep(_arrival(push, cid, self._kept_for))
        except NotKept as why:
            if why.reason is Reason.ERASED:
                raise Gone(why.details, reason=why.reason) from why
            raise Unavailable(why.details, reason=why.reason) from why
        return _stored(push, cid, duplicate=kept.duplicate)

    async def fetch(self, cid: Cid) -> bytes:
        """Get a block, or all blocks of a file in their order; each is verified."""
        if await self._hub.rpc.block_stat(cid, timeout_s=self._timeout_s) is None:
            raise BlockMissing(f"the hub does not hold {cid}")
        block = await self._hub.rpc.block_get(cid, timeout_s=self._timeout_s)
        if cid.is_frame:
            return block
        return b"".join([await self.fetch(child) for child in links(block)])


class TreeStore:
    """Files in the layout of existing stores, for those who begin without Kubo.

    At most one block each: what lies in the tree can be imported into Kubo as it is.
    """

    def __init__(self, pool: Pool, tree: FileTree, *, kept_for: timedelta) -> None:
        self._pool = pool
        self._tree = tree
        self._kept_for = kept_for

    async def store(self, push: Push) -> BlockStored:
        """Write the file, bind. What Kubo holds already is not written again."""
        if len(push.data) > MAX_BLOCK_BYTES:
            raise TooLarge(
                f"{len(push.data)} bytes; the file tree takes at most {MAX_BLOCK_BYTES}, one block"
            )
        cid = Cid.from_sha256(push.sha256)
        arrival = _arrival(push, cid, self._kept_for)
        async with self._pool.acquire() as connection, locked(connection, [cid]):
            (standing,) = await ledger.read(connection, [arrival.want])
            if not standing.erased:
                if not standing.held:
                    await self._write(cid, push.data)
                await ledger.record(connection, [arrival], in_file_tree=not standing.held)
        if standing.erased:
            raise Gone(_ERASED.format(cid), reason=Reason.ERASED)
        return _stored(push, cid, duplicate=standing.bound)

    async def _write(self, cid: Cid, data: bytes) -> None:
        try:
            await asyncio.to_thread(self._tree.write, cid, data)
        except OSError as error:
            problem = f"the file tree does not take it: {error.strerror}"
            raise Unavailable(problem, reason="TREE_UNAVAILABLE") from error

    async def fetch(self, cid: Cid) -> bytes:
        """Read the file."""
        try:
            return await asyncio.to_thread(self._tree.read, cid)
        except OSError as error:
            problem = f"the file tree cannot be read: {error.strerror}"
            raise Unavailable(problem, reason="TREE_UNAVAILABLE") from error


class Stores:
    """Where new bytes go, and every place where bytes may lie.

    A team that moves from its tree to Kubo changes the setting: what is in the tree is read there
    until an import has brought it to Kubo.
    """

    def __init__(self, pool: Pool, kubo: Store, tree: Store | None, *, into_tree: bool) -> None:
        self._pool = pool
        self._kubo = kubo
        self._tree = tree
        self._chosen = tree if into_tree and tree is not None else kubo

    async def store(self, push: Push) -> BlockStored:
        """Store bytes where the setting says."""
        return await self._chosen.store(push)

    async def fetch(self, want: Want) -> bytes:
        """Return an owner's bytes from wherever they are.

        Raises:
            NotFound: this owner has no such bytes here, whoever else may.
            Unavailable: they should be here and cannot be had, or were damaged.
        """
        in_tree = await ledger.is_in_file_tree(self._pool, want)
        if in_tree is None:
            raise NotFound(f"{want.owner} has no {want.cid} here")
        store = self._tree if in_tree else self._kubo
        if store is None:
            raise Unavailable(
                f"{want.cid} lies in a file tree: set PINNING_TREE_DIR", reason="TREE_UNAVAILABLE"
            )
        try:
            return await store.fetch(want.cid)
        except (BlockMissing, BlockMismatch) as error:
            # The ledger says that it is here: it is the store that fails, not who asks.
            raise Unavailable(error.details, reason=error.reason) from error


def _arrival(push: Push, cid: Cid, kept_for: timedelta) -> Arrival:
    return Arrival(
        want=Want(push.owner, cid),
        source=Source.PUSH,
        size_bytes=len(push.data),
        data=push.data,
        sha256=None if cid.is_frame else push.sha256,
        expires_after_s=kept_for.total_seconds(),
    )


def _stored(push: Push, cid: Cid, *, duplicate: bool) -> BlockStored:
    return BlockStored(
        cid=cid, sha256=push.sha256.hex(), size_bytes=len(push.data), duplicate=duplicate
    )
