"""Walking the tree in one fixed order, from wherever the walk before had come.

The order is that of the names, level by level. What one directory holds is listed and sorted at
once, and nothing else is kept: of a tree of ten million files, a directory has about 150.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pinning.importing.files import Skip, Skipped
from pinning.tree import DEPTH, DIRECTORY

_ROOT: Final = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A file in the tree: its path relative to the root, and its size when it was listed."""

    path: str
    size_bytes: int


def walk(root: Path, after: str | None = None) -> Iterator[Found | Skipped]:
    """Yield the files behind the path `after` in order, and what no import can take.

    A directory that is none of the layout is told once and not entered. Links are followed: the
    depth is fixed, so there is no circle, and bytes prove themselves by their hash.
    """
    yield from _below(root, _ROOT, DEPTH, after.split("/") if after is not None else [])


def _below(root: Path, parent: str, depth: int, after: Sequence[str]) -> Iterator[Found | Skipped]:
    """Yield what is below `parent`, `depth` levels of directories above the files."""
    try:
        with os.scandir(root / parent) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError as error:
        yield Skipped(parent, Skip.UNREADABLE, f"the directory: {error.strerror}")
        return
    for entry in entries:
        if after and entry.name < after[0]:
            continue
        path = f"{parent}/{entry.name}" if parent else entry.name
        rest = after[1:] if after and entry.name == after[0] else []
        if after and entry.name == after[0] and not rest:
            continue  # this is where the walk before had come
        yield from _entry(root, path, entry, depth, rest)


def _entry(
    root: Path, path: str, entry: "os.DirEntry[str]", depth: int, after: Sequence[str]
) -> Iterator[Found | Skipped]:
    try:
        is_directory = entry.is_dir()
        size_bytes = 0 if is_directory else entry.stat().st_size
    except OSError as error:
        yield Skipped(path, Skip.UNREADABLE, f"{error.strerror}")
        return
    if not is_directory:
        yield Found(path, size_bytes)
    elif depth and DIRECTORY.fullmatch(entry.name):
        yield from _below(root, path, depth - 1, after)
    else:
        yield Skipped(path, Skip.MISNAMED, "a directory that is none of the layout; not entered")


def share_before(path: str) -> float | None:
    """Return which share of the tree lies before `path`, 0 to 1, or None where it does not say.

    Names are hashes, so they are spread evenly: the place of a name among all names is the share
    of the files before it, and nobody has to count the files first.
    """
    digits = path.rpartition("/")[2][:8]
    try:
        return int(digits, 16) / float(16 ** len(digits))
    except ValueError:
        return None
