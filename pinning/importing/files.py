"""One file of the tree: read whole, held against its name, or told why it is skipped."""

import hashlib
import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid
from pinhole.contract.errors import TooLarge
from pinhole.contract.picture import media_type_of
from pinning.tree import Misnamed, cid_of


class Skip(StrEnum):
    """Why a file is not imported."""

    MISNAMED = "MISNAMED"
    """Its path is none of the layout."""
    UNREADABLE = "UNREADABLE"
    TOO_LARGE = "TOO_LARGE"
    """It exceeds one block, and its hash would be no CID."""
    HASH_MISMATCH = "HASH_MISMATCH"
    """Its bytes are not those that its name promises."""
    NOT_AN_IMAGE = "NOT_AN_IMAGE"
    ERASED = "ERASED"
    """These bytes were erased and are not taken again."""
    HUB_REFUSED = "HUB_REFUSED"
    """The hub's Kubo answered that it cannot store them; its words are told."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, or a directory, that is left where it is."""

    path: str
    reason: Skip
    details: str


@dataclass(frozen=True, slots=True)
class Verified:
    """A file whose bytes are those that its name promises."""

    path: str
    cid: Cid
    data: bytes
    modified_at: datetime
    """When the store that wrote it did so, as far as the file system knows."""


def read(root: Path, path: str) -> Verified | Skipped:
    """Read the file at `path`, relative to `root`, and hold it against its name. Blocking."""
    try:
        cid = cid_of(path)
    except Misnamed as error:
        return Skipped(path, Skip.MISNAMED, str(error))
    try:
        data, modified_at = _bytes_of(root / path)
    except TooLarge as error:
        return Skipped(path, Skip.TOO_LARGE, error.details)
    except OSError as error:
        return Skipped(path, Skip.UNREADABLE, error.strerror or str(error))
    found = hashlib.sha256(data).digest()
    if found != cid.digest:
        return Skipped(path, Skip.HASH_MISMATCH, f"its {len(data)} bytes hash to {found.hex()}")
    if media_type_of(data) is None:
        begins = f"its {len(data)} bytes begin with {data[:16]!r}, as no picture does"
        return Skipped(path, Skip.NOT_AN_IMAGE, begins)
    return Verified(path, cid, data, modified_at)


def _bytes_of(path: Path) -> tuple[bytes, datetime]:
    """Return the file's bytes and when it was last written.

    Raises:
        TooLarge: it exceeds one block; nothing was read.
        OSError: it cannot be read, or is no file.
    """
    # Not blocking: a pipe in the tree would be waited for until somebody writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is no regular file")
        if status.st_size > MAX_BLOCK_BYTES:
            raise TooLarge(f"{status.st_size} bytes, the largest block has {MAX_BLOCK_BYTES}")
        # One byte more than it should have: a file that grows meanwhile is not its own hash.
        data = file.read(status.st_size + 1)
    return data, datetime.fromtimestamp(status.st_mtime, UTC)
