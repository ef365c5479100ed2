"""Bytes that the hub could not fetch are brought to it."""

import logging
import threading
import time
from typing import Final

from camera_uploader import events
from camera_uploader.backoff import Backoff
from camera_uploader.hub import DeliveryRefused, Hub
from camera_uploader.identity import Identity
from camera_uploader.metrics import ALARMS, PUSHED
from camera_uploader.node import BlockAbsent, Node, WrongBytes
from camera_uploader.receipts import Receipts
from camera_uploader.spool.events import Events, WantedBlock
from camera_uploader.workers import Part, wait_saying
from pinhole.contract.errors import Unavailable

logger = logging.getLogger(__name__)

_IDLE_S: Final = 1.0
# The hub repeats a wish in every answer until its dispatcher has seen the bytes.
_AGAIN_AFTER_S: Final = 30.0


class Pusher:
    """Pushes wanted blocks, oldest first; declares those lost that the node no longer holds."""

    def __init__(
        self,
        spooled: Events,
        node: Node,
        hub: Hub,
        receipts: Receipts,
        *,
        identity: Identity,
        backoff: Backoff,
    ) -> None:
        self._spooled, self._node, self._hub = spooled, node, hub
        self._receipts, self._identity, self._backoff = receipts, identity, backoff
        self._done_s: dict[int, float] = {}

    def run(self, part: Part, stopping: threading.Event) -> None:
        """Push until `stopping` is set."""
        while not stopping.is_set():
            wanted = self._open_wishes()
            if not wanted:
                part.beat()
                self._receipts.wanted.wait(_IDLE_S)
                self._receipts.wanted.clear()
                continue
            try:
                self.push(wanted[0])
            except Unavailable as error:
                pause_s = self._backoff.pause_s(at_least_s=error.retry_after_s)
                wait_saying(part, error.details, stopping, pause_s)
            else:
                part.beat()
                self._backoff.succeeded()

    def wake(self) -> None:
        """Look for wishes now."""
        self._receipts.wanted.set()

    def push(self, wanted: WantedBlock) -> None:
        """Bring one block to the hub.

        Raises:
            Unavailable: the node or the hub is not there; try again.
        """
        try:
            data = self._node.block(wanted.cid)
        except (BlockAbsent, WrongBytes) as error:
            self._declare_lost(wanted, error.details)
        else:
            try:
                self._hub.push(wanted.cid, data)
                PUSHED.inc()
            except DeliveryRefused as error:
                logger.warning("the hub refused block %s: %s", wanted.cid, error.details)
        self._done_s[wanted.seq] = time.monotonic()

    def _declare_lost(self, wanted: WantedBlock, why: str) -> None:
        logger.error("frame %d is lost: %s", wanted.seq, why)
        ALARMS.labels("frame_lost").inc()
        body = events.lost(self._identity.source, self._spooled.head, wanted.seq, why)
        try:
            self._receipts.take(self._hub.deliver([body]))
        except DeliveryRefused as error:
            logger.warning("the hub refused a declaration of loss: %s", error.details)

    def _open_wishes(self) -> list[WantedBlock]:
        """Return what is wanted and was not dealt with just now."""
        now_s = time.monotonic()
        self._done_s = {s: t for s, t in self._done_s.items() if now_s - t < _AGAIN_AFTER_S}
        return [block for block in self._spooled.wanted() if block.seq not in self._done_s]
