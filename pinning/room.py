"""Room: how many bytes the hub may still take before its quota or its disk is full."""

from dataclasses import dataclass

from pinhole.contract.errors import PinholeError
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool


@dataclass(frozen=True)
class Limits:
    """What the hub may fill."""

    quota_bytes: int | None
    """Largest size of the node's store; None: the disk alone is the limit."""
    min_free_bytes: int
    """What stays free on the node's disk."""
    headroom_bytes: int
    """Below this room, what policies call expendable is released early."""


@dataclass(frozen=True)
class Usage:
    """What the node says of its store and its disk."""

    store_bytes: int
    free_bytes: int | None
    """Free on the disk; None where the node does not tell."""


@dataclass(frozen=True)
class Room:
    """Bytes until the nearest limit, negative beyond it, and that limit in a sentence."""

    size_bytes: int
    sentence: str


def room(limits: Limits, usage: Usage) -> Room:
    """Return the room below the nearest limit."""
    rooms = []
    if limits.quota_bytes is not None:
        sentence = (
            f"the hub's store has {usage.store_bytes:,} bytes, its quota is {limits.quota_bytes:,}"
        )
        rooms.append(Room(limits.quota_bytes - usage.store_bytes, sentence))
    if usage.free_bytes is not None:
        sentence = (
            f"the hub's disk has {usage.free_bytes:,} bytes free, "
            f"{limits.min_free_bytes:,} have to stay"
        )
        rooms.append(Room(usage.free_bytes - limits.min_free_bytes, sentence))
    unlimited = Room(2**63 - 1, "neither a quota nor the disk's size is known")
    return min(rooms, key=lambda one: one.size_bytes, default=unlimited)


async def usage(rpc: KuboRpc, *, timeout_s: float) -> Usage:
    """Ask the node.

    Raises:
        PinholeError: it does not tell even its store's size.
    """
    stat = await rpc.repo_stat(timeout_s=timeout_s)
    try:
        free_bytes = await rpc.disk_free(timeout_s=timeout_s)
    except PinholeError:
        # A credential from before this route was allowed: the quota still holds.
        free_bytes = None
    return Usage(stat["RepoSize"], free_bytes)


HELD = """
    SELECT coalesce(sum(size_bytes), 0)::bigint FROM pinning.blocks
    WHERE state <> 'releasing' AND NOT in_file_tree
"""


async def held_bytes(pool: Pool) -> int:
    """Return the bytes of all blocks that stay in Kubo. Reads the table: 0.5 s a million."""
    return int(await pool.fetchval(HELD))
