"""The second thread of a frame's way: block/put -> pin/add -> spool row.

The order is the guarantee: a row, and so an event, exists only for bytes that the node holds.
Each step may be repeated: the same bytes are the same block, a pin of a pinned block is a pin.
"""

import logging
import queue
import threading
from typing import Final

from pydantic import ValidationError

from camera_uploader import events
from camera_uploader.backoff import Backoff
from camera_uploader.capture import FrameQueue, RefusalBook
from camera_uploader.clock import HubClock
from camera_uploader.frame import Frame, Refusal, RefusalReason
from camera_uploader.identity import Identity
from camera_uploader.metrics import FRAME_BYTES, FRAMES, LAST_CAPTURE, REFUSED, STEP_SECONDS
from camera_uploader.node import Node
from camera_uploader.sources.source import Source
from camera_uploader.spool.events import Events
from camera_uploader.workers import Part
from pinhole.contract.errors import Refused, Unavailable

logger = logging.getLogger(__name__)

_PUT, _PIN, _SPOOL = (STEP_SECONDS.labels(step) for step in ("put", "pin", "spool"))
_IDLE_S: Final = 0.5
_MAX_FAILURES: Final = 3
_MAX_DETAILS: Final = 500


class Storing:
    """Stores, pins and spools the frames of the queue, one after the other."""

    def __init__(
        self,
        frames: FrameQueue,
        node: Node,
        spooled: Events,
        refusals: RefusalBook,
        *,
        identity: Identity,
        clock: HubClock,
        source: Source,
        fresh: threading.Event,
    ) -> None:
        self._frames, self._node, self._spooled = frames, node, spooled
        self._refusals, self._source = refusals, source
        self._identity, self._clock = identity, clock
        self._fresh = fresh
        self._backoff = Backoff(first_s=0.1, max_s=5.0)
        self._current: Frame | None = None
        self._failures = 0

    def run(self, part: Part, stopping: threading.Event) -> None:
        """Work until `stopping` is set and the queue is empty."""
        while (frame := self._next(part, stopping)) is not None:
            try:
                dealt_with = self._keep_trying(frame, part, stopping)
            except Exception:
                # What nobody thought of: the next run tries this frame again, a few times.
                self._failures += 1
                raise
            self._current, self._failures = None, 0
            if not dealt_with:
                return

    def _next(self, part: Part, stopping: threading.Event) -> Frame | None:
        """Return the frame to store; None where the camera stops and there is none."""
        if self._current is not None and self._failures >= _MAX_FAILURES:
            self._refuse(self._current, RefusalReason.FAILED, "it could not be stored; see the log")
            self._current, self._failures = None, 0
        while self._current is None:
            try:
                self._current = self._frames.get(timeout=_IDLE_S)
            except queue.Empty:
                part.beat()
                if stopping.is_set():
                    return None
        return self._current

    def store(self, frame: Frame) -> None:
        """Store one frame: it is on the node, pinned, and in the spool on return.

        Raises:
            Unavailable: not now; nothing of it is known to anyone, and it may be tried again.
            Refused: no event can be made of it.
        """
        with _PUT.time():
            cid = self._node.put(frame.data)
        with _PIN.time():
            self._node.pin(cid)
        make_body = events.captured(self._identity.source, frame, self._clock.offset_ms)
        with _SPOOL.time():
            self._spooled.append(frame, make_body)
        # The frame is the spool's now: whatever happens, it is not to be stored again.
        self._current = None
        self._fresh.set()
        FRAMES.inc()
        FRAME_BYTES.inc(len(frame.data))
        LAST_CAPTURE.set(frame.captured_at.timestamp())

    def _keep_trying(self, frame: Frame, part: Part, stopping: threading.Event) -> bool:
        """Return whether the frame is dealt with; false only where the camera stops before."""
        while True:
            try:
                self.store(frame)
            except Unavailable as error:
                logger.warning("a frame waits: %s", error.details)
                part.fail(error.details)
                if stopping.wait(self._backoff.pause_s()):
                    # A file is taken at the next start; a live picture is gone, and counted.
                    if frame.mark is None:
                        self._refuse(frame, RefusalReason.NODE_UNAVAILABLE, error.details)
                    return False
            except (Refused, ValidationError) as error:
                # An event that cannot be made must not stand in the way of the next ones.
                self._refuse(frame, RefusalReason.NO_EVENT, str(error)[:_MAX_DETAILS])
                return True
            else:
                self._backoff.succeeded()
                part.beat()
                if frame.mark is not None:
                    self._source.kept(frame.mark)
                return True

    def _refuse(self, frame: Frame, reason: RefusalReason, details: str) -> None:
        REFUSED.labels(reason).inc()
        refusal = Refusal(
            reason=reason,
            details=details,
            at=frame.captured_at,
            mark=frame.mark,
            size_bytes=len(frame.data),
        )
        self._refusals.refuse(refusal)
        if frame.mark is not None:
            self._source.refused(frame.mark)
