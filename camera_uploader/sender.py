"""From the spool to the hub: one event at once when up to date, batches when behind."""

import logging
import threading
from typing import Final

from camera_uploader.backoff import Backoff
from camera_uploader.hub import DeliveryRefused, Hub, HubUnavailable, NotWelcome
from camera_uploader.metrics import ALARMS, DELIVERIES, STEP_SECONDS
from camera_uploader.receipts import Receipts
from camera_uploader.spool.events import Events, Spooled
from camera_uploader.workers import Part, wait_saying
from pinhole.contract.event import MAX_BATCH_EVENTS
from pinhole.contract.receipt import Receipt

logger = logging.getLogger(__name__)

_SEND = STEP_SECONDS.labels("send")
_IDLE_S: Final = 1.0


class Sender:
    """Delivers events in the order of `seq`, oldest first, each until the hub has answered for it.

    An event leaves the queue in two ways only: the hub kept it, or the hub rejected it by name;
    then it stays in the spool with the reason and is never sent again.
    """

    def __init__(
        self,
        spooled: Events,
        hub: Hub,
        receipts: Receipts,
        *,
        fresh: threading.Event,
        backoff: Backoff,
        batch_limit: int = MAX_BATCH_EVENTS,
    ) -> None:
        self._spooled, self._hub, self._receipts = spooled, hub, receipts
        self._fresh, self._backoff = fresh, backoff
        self._batch_limit = self._limit = batch_limit
        self._hub_is_back = threading.Event()

    def run(self, part: Part, stopping: threading.Event) -> None:
        """Deliver until `stopping` is set; what is left stays in the spool."""
        while not stopping.is_set():
            waiting = self._spooled.unsent(self._limit)
            if not waiting:
                part.beat()
                self._fresh.wait(_IDLE_S)
                self._fresh.clear()
                continue
            try:
                self.deliver(waiting)
            except HubUnavailable as error:
                self._pause(part, stopping, error)
            else:
                part.beat()
                self._backoff.succeeded()

    def wake(self) -> None:
        """Look for events, or try the hub, now."""
        self._fresh.set()
        self._hub_is_back.set()

    def hub_is_back(self) -> None:
        """Hear that the hub answered somebody else: end a pause that we chose ourselves."""
        self._hub_is_back.set()

    def deliver(self, waiting: list[Spooled]) -> None:
        """Send these events once and record what the hub says of each.

        Raises:
            HubUnavailable: nothing is known of them; they stay as they are.
        """
        self._receipts.offer(waiting[-1].seq)
        try:
            with _SEND.time():
                receipt = self._hub.deliver([event.body for event in waiting])
        except DeliveryRefused as error:
            DELIVERIES.labels("refused").inc()
            self._refused(waiting, error)
            return
        DELIVERIES.labels("received").inc()
        self._spooled.record_delivery([event.seq for event in waiting], receipt.rejected)
        _tell(waiting, receipt)
        self._receipts.take(receipt)
        self._limit = min(self._batch_limit, self._limit * 2)

    def _refused(self, waiting: list[Spooled], error: DeliveryRefused) -> None:
        """Halve a refused batch until the event at fault is alone, and reject that one."""
        if len(waiting) > 1:
            self._limit = len(waiting) // 2
            return
        seq = waiting[0].seq
        logger.error("the hub refused event %d, %s: %s", seq, error.reason, error.details)
        ALARMS.labels("event_rejected").inc()
        self._spooled.reject(seq, error.reason, error.details)

    def _pause(self, part: Part, stopping: threading.Event, error: HubUnavailable) -> None:
        DELIVERIES.labels("not_welcome" if isinstance(error, NotWelcome) else "unavailable").inc()
        if self._backoff.failures == 0:
            logger.warning("events wait: %s", error.details)
        self._hub_is_back.clear()
        pause_s = self._backoff.pause_s(at_least_s=error.retry_after_s)
        # What the hub asked for is kept to; a pause of our own ends when it answers anyone.
        ends = stopping if error.retry_after_s else self._hub_is_back
        if not stopping.is_set():
            wait_saying(part, error.details, ends, pause_s)


def _tell(waiting: list[Spooled], receipt: Receipt) -> None:
    for rejected in receipt.rejected:
        seq = waiting[rejected.index].seq if rejected.index < len(waiting) else 0
        logger.error("the hub rejected event %d, %s: %s", seq, rejected.reason, rejected.details)
        ALARMS.labels("event_rejected").inc()
