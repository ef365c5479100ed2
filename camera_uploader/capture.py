"""The first thread of a frame's way: source -> frame -> the queue to the node."""

import logging
import queue
import threading
import time
from datetime import UTC, datetime
from typing import Final, Protocol

from camera_uploader.backoff import Backoff
from camera_uploader.developing import Developer, Unusable
from camera_uploader.frame import FileShot, Frame, Refusal, RefusalReason, Shot
from camera_uploader.metrics import REFUSED, STEP_SECONDS
from camera_uploader.sources.source import Source, SourceLost
from camera_uploader.workers import Part

logger = logging.getLogger(__name__)

_ENCODE = STEP_SECONDS.labels("encode")
_CHECK_S: Final = 0.5

FrameQueue = queue.Queue[Frame]
"""Frames that wait in memory for the node: bounded, encoded, a few hundred KB each."""


class RefusalBook(Protocol):
    """Where refusals are listed: `camera_uploader.spool.items.Items`."""

    def refuse(self, refusal: Refusal) -> None:
        """Count a picture that was not taken, and list it with the reason."""


class Capture:
    """Takes what the source gives, encodes it, and hands it on.

    A live source is never made to wait: where the queue is full its picture is refused, counted
    and listed. Any other source waits, and loses nothing.
    """

    def __init__(
        self,
        source: Source,
        developer: Developer,
        frames: FrameQueue,
        refusals: RefusalBook,
        *,
        silent_after_s: float,
    ) -> None:
        self._source, self._developer, self._frames = source, developer, frames
        self._refusals = refusals
        self._silent_after_s = silent_after_s
        self._backoff = Backoff(first_s=0.5, max_s=30.0)
        self._told: RefusalReason | None = None
        self.last_shot_at: datetime | None = None

    def run(self, part: Part, stopping: threading.Event) -> None:
        """Follow the source; open it again, with growing pauses, whenever it is lost."""
        while not stopping.is_set():
            try:
                self._follow(part, stopping)
            except SourceLost as error:
                logger.warning("%s", error.details)
                part.fail(error.details)
                stopping.wait(self._backoff.pause_s())
            else:
                _rest(part, stopping)

    def _follow(self, part: Part, stopping: threading.Event) -> None:
        heard_s = time.monotonic()
        for shot in self._source.shots(stopping):
            if shot is not None:
                self._take(shot, part, stopping)
                self._backoff.succeeded()
                heard_s = time.monotonic()
            elif self._source.live and time.monotonic() - heard_s > self._silent_after_s:
                raise SourceLost(
                    f"{self._source.name} gave no picture for {self._silent_after_s:g} s"
                )
            if shot is not None or not self._source.live:
                part.beat()
            else:
                # A live source that was lost is well again when it gives a picture, not before.
                part.lives()
            if stopping.is_set():
                return

    def _take(self, shot: Shot | Refusal, part: Part, stopping: threading.Event) -> None:
        if isinstance(shot, Refusal):
            self._refuse(shot)
            return
        self.last_shot_at = shot.captured_at
        try:
            with _ENCODE.time():
                frame = self._developer.develop(shot)
        except Unusable as error:
            self._refuse(_refusal(shot, error))
            return
        self._hand_on(frame, part, stopping)

    def _hand_on(self, frame: Frame, part: Part, stopping: threading.Event) -> None:
        while not stopping.is_set():
            try:
                self._frames.put(frame, timeout=0 if self._source.live else _CHECK_S)
            except queue.Full:
                if self._source.live:
                    self._refuse(
                        Refusal(
                            reason=RefusalReason.NODE_UNAVAILABLE,
                            details=f"{self._frames.maxsize} frames wait for the Kubo node already",
                            at=datetime.now(UTC),
                            size_bytes=len(frame.data),
                        )
                    )
                    return
                part.waits("waits for the Kubo node")
            else:
                return

    def _refuse(self, refusal: Refusal) -> None:
        REFUSED.labels(refusal.reason).inc()
        # All are counted and listed; of a row of the same kind the first is logged.
        level = logging.DEBUG if refusal.reason is self._told else logging.WARNING
        logger.log(level, "a picture was refused, %s: %s", refusal.reason, refusal.details)
        self._told = refusal.reason
        self._refusals.refuse(refusal)
        if refusal.mark is not None:
            self._source.refused(refusal.mark)


def _rest(part: Part, stopping: threading.Event) -> None:
    while not stopping.is_set():
        part.waits("the source has ended: every picture of it was taken")
        stopping.wait(_CHECK_S)


def _refusal(shot: Shot, error: Unusable) -> Refusal:
    size_bytes = len(shot.data) if isinstance(shot, FileShot) else None
    return Refusal(
        reason=error.refusal_reason,
        details=error.details,
        at=datetime.now(UTC),
        mark=shot.mark,
        size_bytes=size_bytes,
    )
