"""What the camera believes of the hub's answers."""

import logging
import threading

from camera_uploader.clock import HubClock
from camera_uploader.metrics import ALARMS
from camera_uploader.spool.spool import Spool
from pinhole.contract.receipt import Receipt

logger = logging.getLogger(__name__)


class Receipts:
    """Takes over acknowledgements: of deliveries, heartbeats and declarations alike.

    An acknowledgement of an event that was never on the wire is not believed at all: the hub then
    speaks of another spool (a copied disk, two cameras with one name), and what it says could
    release frames that only we hold. Answers may overtake one another, so an acknowledgement that
    is lower than an earlier one is no alarm.
    """

    def __init__(self, spool: Spool, clock: HubClock) -> None:
        self._spool = spool
        self._clock = clock
        self._mutex = threading.Lock()
        self._remembered_ms = clock.offset_ms
        # Whatever was spooled before this start may have been sent before it.
        self._offered_through = spool.events.head.seq
        self.wanted = threading.Event()
        """Set when the hub asked for bytes."""
        self.alarm: str | None = None
        """What the hub said that cannot be, until it says something that can."""

    def offer(self, through: int) -> None:
        """Say that events up to this seq are about to be put on the wire."""
        with self._mutex:
            self._offered_through = max(self._offered_through, through)

    def take(self, receipt: Receipt) -> None:
        """Take over what a receipt says of our stream, and the hub's clock."""
        stream = self._spool.stream
        through = receipt.pinned_through.get(stream, 0)
        if self._is_plausible(through):
            wanted = [
                (entry.seq, entry.cid)
                for entry in receipt.wanted
                if entry.stream == stream and entry.seq is not None
            ]
            self._spool.events.settle(through, wanted)
            if wanted:
                self.wanted.set()
        if receipt.erase:
            logger.warning(
                "the hub asks to erase %d blocks; this version cannot", len(receipt.erase)
            )
        self._remember_offset()

    def _is_plausible(self, through: int) -> bool:
        with self._mutex:
            offered = self._offered_through
        if through <= offered:
            self.alarm = None
            return True
        self.alarm = f"the hub acknowledges seq {through}, the last one sent is {offered}"
        ALARMS.labels("ack_beyond_sent").inc()
        logger.error("%s: ignored", self.alarm)
        return False

    def _remember_offset(self) -> None:
        offset_ms = self._clock.offset_ms
        if offset_ms is None or not self._clock.differs(self._remembered_ms):
            return
        self._remembered_ms = offset_ms
        self._spool.remember_clock_offset(offset_ms)
