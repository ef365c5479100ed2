"""The files of a watched directory: found, looked at, read and moved, by names that are bytes."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pinhole.contract.errors import Refused

_SUFFIXES: Final = (b".jpg", b".jpeg", b".jpe", b".png", b".webp")
TAKEN: Final = b"taken"
REFUSED: Final = b"refused"
# A name that is taken already in taken/ gets a number; more than this is a mistake somewhere.
_MAX_COPIES: Final = 10_000


class Unreadable(Refused):
    """The file is there and cannot be read."""


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A file as it was seen; `item` is its name relative to the directory."""

    item: bytes
    size_bytes: int
    mtime_ns: int
    ctime_ns: int

    @property
    def version(self) -> str:
        """What changes when the file's content does."""
        return f"{self.size_bytes}:{self.mtime_ns}"

    @property
    def unreadable_version(self) -> str:
        """What changes also when only its permissions do."""
        return f"{self.version}:{self.ctime_ns}"


class Folder:
    """A directory tree of pictures. Symbolic links are not followed: they could lead anywhere."""

    def __init__(self, root: Path) -> None:
        self.root = os.fsencode(root.absolute())

    def exists(self) -> bool:
        """Whether the directory is there (a stick may be unplugged, a mount gone)."""
        return os.path.isdir(self.root)  # noqa: PTH112 - Path cannot hold every name

    def item_of(self, path: str | bytes) -> bytes | None:
        """Return the item that a path below the directory is, or None where it is no picture's."""
        item = os.path.relpath(os.fsencode(path), self.root)
        *folders, name = item.split(b"/")
        if folders and folders[0] in (TAKEN, REFUSED, b".."):
            return None
        hidden = any(part.startswith(b".") for part in (*folders, name))
        return None if hidden or not name.lower().endswith(_SUFFIXES) else item

    def files(self) -> Iterator[SeenFile]:
        """Yield every picture's file; hidden ones, taken/ and refused/ left out."""
        for folder, subfolders, names in os.walk(self.root):
            subfolders[:] = [
                name
                for name in subfolders
                if not name.startswith(b".")
                and not (folder == self.root and name in (TAKEN, REFUSED))
            ]
            for name in names:
                item = self.item_of(os.path.join(folder, name))  # noqa: PTH118
                if item is not None and (seen := self.look(item)) is not None:
                    yield seen

    def look(self, item: bytes) -> SeenFile | None:
        """Return how a file is now, or None where there is no regular file of that name."""
        try:
            status = os.lstat(self._path(item))
        except OSError:
            return None
        return _seen(item, status) if stat.S_ISREG(status.st_mode) else None

    def read(self, seen: SeenFile) -> bytes | None:
        """Return the bytes of the file as it was seen, or None where it has changed since.

        Raises:
            Unreadable: it cannot be opened or read.
        """
        try:
            # Not a link put in its place; and a pipe of that name must not hold us up.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(self._path(seen.item), flags)
            with os.fdopen(descriptor, "rb") as file:
                data = file.read(seen.size_bytes + 1)
                after = _seen(seen.item, os.fstat(descriptor))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unreadable(f"the file cannot be read: {error.strerror}") from error
        return data if after.version == seen.version and len(data) == seen.size_bytes else None

    def move(self, item: bytes, version: str, into: bytes) -> bool:
        """Move a file of this version into a sub-directory; return whether it is there now.

        A file that was replaced meanwhile stays, to be taken itself.
        """
        seen = self.look(item)
        if seen is None or seen.version != version:
            return False
        target = self._free_name(os.path.join(into, item))  # noqa: PTH118
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        os.rename(self._path(item), target)  # noqa: PTH104
        moved = os.lstat(target)
        if _seen(item, moved).version != version and self.look(item) is None:
            os.rename(target, self._path(item))  # noqa: PTH104 - replaced in the last moment
            return False
        return True

    def _free_name(self, item: bytes) -> bytes:
        path = self._path(item)
        for number in range(1, _MAX_COPIES):
            if not os.path.lexists(path):
                return path
            stem, suffix = os.path.splitext(self._path(item))  # noqa: PTH122
            path = stem + b"." + str(number).encode() + suffix
        raise FileExistsError(f"{_MAX_COPIES} files of one name")

    def _path(self, item: bytes) -> bytes:
        return os.path.join(self.root, item)  # noqa: PTH118


def _seen(item: bytes, status: os.stat_result) -> SeenFile:
    return SeenFile(item, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
