"""The file tree as a place for blocks: written whole or not at all, verified when read. Blocking.

Callers hold the locks of the CIDs they name.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid
from pinhole.runtime.kubo import BlockMismatch, BlockMissing
from pinning.tree import path_of

_PART: Final = ".part"


class FileTree:
    """Files below `root` in the layout of `pinning.tree`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, cid: Cid) -> Path:
        """Return where a block's file is, or would be."""
        return self.root / path_of(cid)

    def write(self, cid: Cid, data: bytes) -> None:
        """Write a block; when this returns it is on the disk. One that is there stays.

        Raises:
            OSError: the disk is full, away, or may not be written.
        """
        path = self.path(cid)
        with suppress(FileNotFoundError, BlockMismatch):
            if _read(path, cid) == data:
                return
        # Below the root everything may be made, the root itself may not: its disk may be away.
        missing = [folder for folder in (path.parent.parent, path.parent) if not folder.is_dir()]
        for folder in missing:
            folder.mkdir(exist_ok=True)
            _sync_directory(folder.parent)
        part = path.with_name(path.name + _PART)
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_directory(path.parent)

    def read(self, cid: Cid) -> bytes:
        """Return a block's bytes, verified.

        Raises:
            BlockMissing: there is no such file.
            BlockMismatch: its bytes are not the block's: the file was damaged or changed.
        """
        try:
            return _read(self.path(cid), cid)
        except FileNotFoundError:
            raise BlockMissing(f"there is no file {path_of(cid)} in the tree") from None

    def remove(self, cid: Cid) -> None:
        """Remove a block's file, if it is there; its directories stay."""
        self.path(cid).unlink(missing_ok=True)

    def problem(self) -> str | None:
        """Return a sentence where the tree cannot be written, else None."""
        if not self.root.is_dir():
            return f"the file tree {self.root} is not there"
        if not os.access(self.root, os.W_OK | os.X_OK):
            return f"the file tree {self.root} may not be written"
        return None


def _read(path: Path, cid: Cid) -> bytes:
    with path.open("rb") as file:
        data = file.read(MAX_BLOCK_BYTES + 1)
    if not cid.matches(data):
        raise BlockMismatch(f"the file {path.name} holds other bytes than its name says")
    return data


def _sync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
