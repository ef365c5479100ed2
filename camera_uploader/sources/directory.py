"""A watched directory: every picture that is put there is taken once, its bytes untouched.

Whoever writes a picture renames it into place, or closes it, or just stops writing. So a file is
looked at when it was closed or moved in (inotify tells), or has not changed for a while, and is
taken when its bytes hold a whole picture. One that stays doubtful (empty, without its end, no
picture at all) is refused visibly after a longer while; when it changes, it is looked at again.
Nothing is ever deleted.

A file is known by name, size and mtime: one that is renamed, or written again, is a new one. Losing
a picture is worse than having it twice, and the same bytes are the same block anyway.
"""

import heapq
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from camera_uploader.developing import Unusable, inspect
from camera_uploader.frame import FileShot, Mark, Refusal, RefusalReason, printable
from camera_uploader.settings import AfterTaking, FileTime
from camera_uploader.sources.files import REFUSED, TAKEN, Folder, SeenFile, Unreadable
from camera_uploader.sources.source import Memory, SourceLost
from camera_uploader.sources.watching import Watch
from pinhole.contract.errors import Unavailable

logger = logging.getLogger(__name__)

# Files looked at after one scan, oldest first: bounds memory where a million are waiting.
_BATCH: Final = 1000
# A scan of 100,000 files takes about a second; scanning takes at most this share of the time.
_SCAN_SHARE: Final = 1 / 20
_TICK_S: Final = 0.05
_IDLE_S: Final = 0.5
_NS: Final = 1_000_000_000


@dataclass(slots=True)
class _Candidate:
    """A file that may become a frame: how it was seen last, and since when it is like that."""

    seen: SeenFile
    since_s: float
    finished: bool = False
    doubtful: bool = False

    def unchanged_s(self) -> float:
        """Seconds without a change, by our watching or by the file's own time."""
        by_mtime_s = (time.time_ns() - self.seen.mtime_ns) / _NS
        return max(time.monotonic() - self.since_s, by_mtime_s)


@dataclass(frozen=True, kw_only=True)
class DirectoryRules:
    """When a file is taken and what becomes of it; see the settings of the same names."""

    settle_s: float
    incomplete_s: float
    rescan_s: float
    after: AfterTaking
    time: FileTime
    read_limit_bytes: int


class DirectorySource:
    """The pictures put into a folder, in the order of their mtime as far as they are there."""

    live = False

    def __init__(self, folder: Folder, memory: Memory, rules: DirectoryRules, *, name: str) -> None:
        self.name = name
        self._folder, self._memory, self._rules = folder, memory, rules
        self._candidates: dict[bytes, _Candidate] = {}
        # Given out and not yet spooled or refused: the spool does not know them yet.
        self._given: set[bytes] = set()
        self._next_scan_s = 0.0

    def shots(self, stopping: threading.Event) -> Iterator[FileShot | Refusal | None]:
        """Yield every new file.

        Raises:
            SourceLost: the directory is not there.
        """
        self._next_scan_s = 0.0
        with Watch(self._folder) as watch:
            while not stopping.is_set():
                if not self._folder.exists():
                    raise SourceLost(f"{self.name} is no directory")
                self._scan_when_due()
                for item in list(self._candidates):
                    yield self._judge(item)
                    if stopping.is_set():
                        return
                self._listen(watch)
                yield None

    def kept(self, mark: Mark) -> None:
        """Move the file to taken/ where that is wanted."""
        self._put_away(mark, TAKEN)
        self._given.discard(mark.item)  # last: until then a scan must not find it new

    def refused(self, mark: Mark) -> None:
        """Move the file to refused/ where that is wanted."""
        self._put_away(mark, REFUSED)
        self._given.discard(mark.item)

    def _listen(self, watch: Watch) -> None:
        changed, must_scan = watch.changes(_TICK_S if self._candidates else _IDLE_S)
        for item, finished in changed.items():
            self._consider(item, finished=finished)
        if must_scan:
            self._next_scan_s = 0.0

    def _scan_when_due(self) -> None:
        began_s = time.monotonic()
        if began_s < self._next_scan_s:
            return
        new = (seen for seen in self._folder.files() if not self._is_known(seen))
        for seen in heapq.nsmallest(_BATCH, new, key=lambda seen: (seen.mtime_ns, seen.item)):
            self._candidates.setdefault(seen.item, _Candidate(seen, time.monotonic()))
        took_s = time.monotonic() - began_s
        self._next_scan_s = time.monotonic() + max(self._rules.rescan_s, took_s / _SCAN_SHARE)

    def _consider(self, item: bytes, *, finished: bool) -> None:
        seen = self._folder.look(item)
        if seen is not None and not self._is_known(seen):
            self._candidates[item] = _Candidate(seen, time.monotonic(), finished)

    def _is_known(self, seen: SeenFile) -> bool:
        if seen.item in self._given:
            return True
        if self._memory.taken_version(self.name, seen.item) == seen.version:
            # Taken, and killed before it was moved.
            self._put_away(Mark(self.name, seen.item, seen.version), TAKEN)
            return True
        refused = self._memory.refused_version(self.name, seen.item)
        return refused in (seen.version, seen.unreadable_version)

    def _judge(self, item: bytes) -> FileShot | Refusal | None:
        """Return what becomes of a candidate now; None where it has to wait, or is gone."""
        candidate = self._candidates[item]
        seen = self._folder.look(item)
        if seen is None:
            del self._candidates[item]
            return None
        if seen.version != candidate.seen.version:
            self._candidates[item] = _Candidate(seen, time.monotonic())
            return None
        unchanged_s = candidate.unchanged_s()
        if not candidate.finished and unchanged_s < self._rules.settle_s:
            return None
        if candidate.doubtful and unchanged_s < self._rules.incomplete_s:
            return None
        return self._take(candidate, in_doubt=unchanged_s >= self._rules.incomplete_s)

    def _take(self, candidate: _Candidate, *, in_doubt: bool) -> FileShot | Refusal | None:
        """Read a candidate; `in_doubt` says that it had its time to become whole."""
        seen = candidate.seen
        limit_bytes = self._rules.read_limit_bytes
        if seen.size_bytes > limit_bytes:
            details = f"the file has {seen.size_bytes} bytes, at most {limit_bytes} are read"
            return self._refusal(seen, seen.version, RefusalReason.TOO_LARGE, details)
        try:
            data = self._folder.read(seen)
        except Unreadable as error:
            version = seen.unreadable_version
            return self._refusal(seen, version, RefusalReason.UNREADABLE, error.details)
        if data is None:
            return None
        if not in_doubt and not _is_picture(data):
            candidate.doubtful = True
            return None
        self._give(seen.item)
        mark = Mark(self.name, seen.item, seen.version)
        return FileShot(data=data, captured_at=self._captured_at(seen), mark=mark)

    def _refusal(
        self, seen: SeenFile, version: str, reason: RefusalReason, details: str
    ) -> Refusal:
        self._give(seen.item)
        return Refusal(
            reason=reason,
            details=details,
            at=datetime.now(UTC),
            mark=Mark(self.name, seen.item, version),
            size_bytes=seen.size_bytes,
        )

    def _give(self, item: bytes) -> None:
        del self._candidates[item]
        self._given.add(item)

    def _captured_at(self, seen: SeenFile) -> datetime:
        now = datetime.now(UTC)
        if self._rules.time is FileTime.TAKEN:
            return now
        return min(now, datetime.fromtimestamp(seen.mtime_ns / _NS, UTC))

    def _put_away(self, mark: Mark, into: bytes) -> None:
        if self._rules.after is AfterTaking.KEEP:
            return
        try:
            if self._folder.move(mark.item, mark.version, into) and into == TAKEN:
                self._memory.forget(mark)
        except OSError as error:
            # It stays where it is and stays known: not taken again, not lost.
            logger.warning("%s could not be moved: %s", printable(mark.item), error.strerror)
        except Unavailable as error:
            # It was moved, and the memory of it remains: harmless.
            logger.warning("%s: %s", printable(mark.item), error.details)


def _is_picture(data: bytes) -> bool:
    try:
        inspect(data)
    except Unusable:
        return False
    return True
