"""Every few seconds: how the camera is, and what the hub has to say."""

import importlib.metadata
import platform
import shutil
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from camera_uploader import events
from camera_uploader.hub import DeliveryRefused, Hub, HubUnavailable
from camera_uploader.identity import Identity
from camera_uploader.links import Links
from camera_uploader.receipts import Receipts
from camera_uploader.spool.spool import Spool
from camera_uploader.workers import Part, wait_saying
from pinhole.contract.event import StatusData

_MAX_STATE_LENGTH: Final = 160


class Heartbeat:
    """Sends `pinhole.camera.status.v1`. Its answer carries acknowledgements as any other does."""

    def __init__(
        self,
        spool: Spool,
        hub: Hub,
        receipts: Receipts,
        *,
        identity: Identity,
        links: Links,
        interval_s: float,
        states: Callable[[], Mapping[str, str]],
        last_capture_at: Callable[[], datetime | None],
        hub_answered: Callable[[], None],
    ) -> None:
        self._spool, self._hub, self._receipts = spool, hub, receipts
        self._identity, self._links, self._interval_s = identity, links, interval_s
        self._states, self._last_capture_at = states, last_capture_at
        self._hub_answered = hub_answered

    def run(self, part: Part, stopping: threading.Event) -> None:
        """Beat until `stopping` is set, at once and then every interval."""
        while not stopping.is_set():
            try:
                self.beat()
            except HubUnavailable as error:
                pause_s = max(self._interval_s, error.retry_after_s)
                wait_saying(part, error.details, stopping, pause_s)
            except DeliveryRefused as error:
                part.fail(f"the hub refuses heartbeats: {error.details}")
                stopping.wait(self._interval_s)
            else:
                part.beat()
                stopping.wait(self._interval_s)

    def beat(self) -> None:
        """Send one heartbeat and take over the answer.

        Raises:
            HubUnavailable: nobody heard it; the next one says it all anew.
            DeliveryRefused: the hub cannot read it.
        """
        body = events.status(self._identity.source, self.status())
        self._receipts.take(self._hub.deliver([body]))
        self._hub_answered()

    def status(self) -> StatusData:
        """Return how the camera is now."""
        counts = self._spool.events.counts()
        disk = _disk(self._spool.directory)
        peer = self._links.identity
        return StatusData(
            stream=self._spool.stream,
            last_seq=counts.last_seq,
            spool_depth=counts.unsent,
            oldest_unsent_at=counts.oldest_unsent_at,
            disk_free_bytes=None if disk is None else disk[0],
            disk_total_bytes=None if disk is None else disk[1],
            peer_id=None if peer is None else peer.peer_id,
            last_capture_at=self._last_capture_at(),
            duplicates=counts.duplicates,
            refused=counts.refused,
            versions={
                "pinhole": _version(),
                "python": platform.python_version(),
                **({} if peer is None else {"node": peer.agent[:80]}),
            },
            states={name: state[:_MAX_STATE_LENGTH] for name, state in self._states().items()},
        )


def _version() -> str:
    try:
        return importlib.metadata.version("pinhole")
    except importlib.metadata.PackageNotFoundError:
        return "checkout"


def _disk(directory: Path) -> tuple[int, int] | None:
    """Return (free, total) bytes of the spool's disk."""
    try:
        usage = shutil.disk_usage(directory)
    except OSError:
        return None
    return usage.free, usage.total
