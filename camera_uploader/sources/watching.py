"""What the kernel tells of a directory (inotify), collected until it is asked for."""

import logging
import threading
from types import TracebackType
from typing import Self

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from camera_uploader.sources.files import Folder

logger = logging.getLogger(__name__)

_TOLD = [
    *(FileClosedEvent, FileMovedEvent, FileCreatedEvent, FileModifiedEvent),
    *(DirCreatedEvent, DirMovedEvent),
]


class Watch(FileSystemEventHandler):
    """Collects changes below a folder for the length of a `with` block.

    Where the kernel cannot watch (its limit of watches is reached, a file system without inotify)
    it says so once and stays silent: full scans find the files then.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._observer = Observer()
        self._mutex = threading.Lock()
        self._told = threading.Event()
        self._finished: dict[bytes, bool] = {}
        self._must_scan = False

    def __enter__(self) -> Self:
        try:
            path = self._folder.root.decode("utf-8", "surrogateescape")
            self._observer.schedule(self, path, recursive=True, event_filter=_TOLD)
            self._observer.start()
        except OSError as error:
            logger.warning("the directory is scanned, not watched: %s", error.strerror)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()

    def dispatch(self, event: FileSystemEvent) -> None:
        """Take a change from watchdog's thread."""
        if isinstance(event, DirCreatedEvent | DirMovedEvent):
            # What was put into a new directory before it was watched is told by nobody.
            with self._mutex:
                self._must_scan = True
            self._told.set()
            return
        moved = isinstance(event, FileMovedEvent)
        item = self._folder.item_of(event.dest_path if moved else event.src_path)
        if item is not None:
            with self._mutex:
                self._finished[item] = moved or isinstance(event, FileClosedEvent)
            self._told.set()

    def changes(self, wait_s: float) -> tuple[dict[bytes, bool], bool]:
        """Wait for changes and return them: {item: closed or moved in}, and whether to scan."""
        self._told.wait(wait_s)
        with self._mutex:
            self._told.clear()
            changed, self._finished = self._finished, {}
            must_scan, self._must_scan = self._must_scan, False
        return changed, must_scan
