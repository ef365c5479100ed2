"""Runs a watched directory in a thread and keeps what it gives."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from camera_uploader.frame import FileShot, Mark, Refusal, RefusalReason, Shot
from camera_uploader.settings import AfterTaking, FileTime
from camera_uploader.sources.directory import DirectoryRules, DirectorySource
from camera_uploader.sources.files import Folder
from camera_uploader.sources.source import SourceLost
from camera_uploader.trial import NothingKnown
from pinhole.contract.cid import MAX_BLOCK_BYTES

_SETTLE_S = 0.15


class Memory(NothingKnown):
    """A memory as the spool's, for one source."""

    def __init__(self) -> None:
        self.taken: dict[bytes, str] = {}
        self.refusals: dict[bytes, str] = {}

    def taken_version(self, source: str, item: bytes) -> str | None:
        del source
        return self.taken.get(item)

    def refused_version(self, source: str, item: bytes) -> str | None:
        del source
        return self.refusals.get(item)

    def forget(self, mark: Mark) -> None:
        del self.taken[mark.item]


class Watcher:
    """Runs a source in a thread and keeps what it gives."""

    def __init__(self, folder: Path, memory: Memory | None = None, **rules: object) -> None:
        given = {
            "settle_s": _SETTLE_S,
            "incomplete_s": 0.4,
            "rescan_s": 0.1,
            "after": AfterTaking.KEEP,
            "time": FileTime.MODIFIED,
            "read_limit_bytes": MAX_BLOCK_BYTES,
            **rules,
        }
        self.memory = memory or Memory()
        self.source = DirectorySource(
            Folder(folder),
            self.memory,
            DirectoryRules(**given),  # type: ignore[arg-type]
            name="dir:x",
        )
        self.given: list[Shot | Refusal] = []
        self.failure: BaseException | None = None

    def taken(self) -> list[bytes]:
        return [shot.data for shot in self.given if isinstance(shot, FileShot)]

    def refused(self) -> list[RefusalReason]:
        return [shot.reason for shot in self.given if isinstance(shot, Refusal)]

    @contextmanager
    def running(self) -> Iterator["Watcher"]:
        stopping = threading.Event()
        thread = threading.Thread(target=self._follow, args=(stopping,))
        thread.start()
        try:
            yield self
        finally:
            stopping.set()
            thread.join(10)
            assert not thread.is_alive()

    def _follow(self, stopping: threading.Event) -> None:
        try:
            for shot in self.source.shots(stopping):
                if shot is not None:
                    self._keep(shot)
        except SourceLost as error:
            self.failure = error

    def _keep(self, shot: Shot | Refusal) -> None:
        self.given.append(shot)
        assert shot.mark is not None
        if isinstance(shot, Refusal):
            self.memory.refusals[shot.mark.item] = shot.mark.version
            self.source.refused(shot.mark)
        else:
            self.memory.taken[shot.mark.item] = shot.mark.version
            self.source.kept(shot.mark)


def set_age(path: Path, seconds: float) -> None:
    """Let a file look as if it was written so many seconds ago."""
    then = datetime.now(UTC).timestamp() - seconds
    os.utime(path, (then, then))
