"""The tree in chunks: bounded in files and bytes, taken by whichever thread asks next."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

from pinhole.contract.errors import Refused
from pinning.importing.files import Skipped, Verified, read
from pinning.importing.walking import Found, walk

FILES: Final = 32
"""As many as Kubo pins in one call: a call holds its pin lock for 26 ms (kubo.md)."""
BYTES: Final = 8 * 2**20

Item: TypeAlias = Found | Skipped
Settled: TypeAlias = Verified | Skipped


class Chunks:
    """The files behind the path `after`, in order."""

    def __init__(self, root: Path, after: str | None = None) -> None:
        self._items = walk(root, after)
        self._held: Item | None = None
        self._lock = threading.Lock()

    def take(self) -> list[Item]:
        """Return the next chunk; an empty one at the end. Blocking."""
        chunk: list[Item] = []
        room_bytes = BYTES
        with self._lock:
            while len(chunk) < FILES:
                item = self._held or next(self._items, None)
                self._held = None
                if item is None:
                    break
                size_bytes = item.size_bytes if isinstance(item, Found) else 0
                if chunk and size_bytes > room_bytes:
                    self._held = item
                    break
                room_bytes -= size_bytes
                chunk.append(item)
        return chunk


def read_all(root: Path, items: Sequence[Item]) -> list[Settled]:
    """Read what was found, in order. Blocking."""
    return [read(root, item.path) if isinstance(item, Found) else item for item in items]


async def check_root(root: Path) -> None:
    """Check that the tree is there: one whose disk went away must not look like one that ended.

    Raises:
        Refused: it is no directory, cannot be listed, or holds nothing.
    """
    try:
        first = await asyncio.to_thread(lambda: next(root.iterdir(), None))
    except OSError as error:
        raise Refused(f"{root}: {error.strerror}") from error
    if first is None:
        raise Refused(f"{root} is empty: is its disk mounted?")
