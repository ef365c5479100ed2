"""The queue before the model: bounded, in order, with deadlines, run by a few threads.

While an inference runs, pictures gather; the next inference of that lane takes them together, up
to what its detector makes good use of (`Traits.max_batch`). Nothing waits for a batch to fill.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from pinhole.contract.errors import Busy
from pinhole.runtime.tasks import Pulse
from yolo_fetcher.detector import Detector, InferenceFailed, Rows
from yolo_fetcher.letterbox import Pixels
from yolo_fetcher.metrics import BATCH_PICTURES, IN_HOUSE, STAGE_SECONDS

_IDLE_BEAT_S: Final = 0.25
# Weight of the newest inference in the estimate for Retry-After.
_SMOOTHING: Final = 0.1


@dataclass(frozen=True, slots=True)
class Inferred:
    """The detections of one picture and how long the model took for them."""

    rows: Rows
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    detector: Detector
    picture: Pixels
    confidence: float
    iou: float
    queued_at: float
    result: "asyncio.Future[Inferred]"

    def goes_with(self, other: "_Job") -> bool:
        return self.detector is other.detector and self.iou == other.iou


class Batcher:
    """Admits pictures, queues them, and hands them to the detector's lanes."""

    def __init__(self, capacity: int, lanes: int, executor: Executor) -> None:
        """Admit up to `capacity` pictures at once; `executor` has a thread for each lane."""
        self._capacity = capacity
        self._lanes = lanes
        self._executor = executor
        self._admitted = 0
        self._seconds_each = 0.0
        self._jobs: deque[_Job] = deque()
        self._arrived = asyncio.Event()

    @contextmanager
    def admit(self, pictures: int) -> Iterator[None]:
        """Hold room for `pictures`, from before they are fetched until they are answered.

        Raises:
            Busy: there is no room; `retry_after_s` is when there should be.
        """
        if self._admitted + pictures > self._capacity:
            raise Busy(
                f"{self._admitted} pictures are being worked on and {pictures} more were sent;"
                f" the limit is {self._capacity}",
                retry_after_s=self._admitted * self._seconds_each / self._lanes,
            )
        self._admitted += pictures
        IN_HOUSE.inc(pictures)
        try:
            yield
        finally:
            self._admitted -= pictures
            IN_HOUSE.dec(pictures)

    async def infer(
        self, detector: Detector, picture: Pixels, confidence: float, iou: float
    ) -> Inferred:
        """Return the detections above `confidence`. If cancelled before its turn, nothing is run.

        Raises:
            InferenceFailed: see `Detector.detect`.
        """
        result: asyncio.Future[Inferred] = asyncio.get_running_loop().create_future()
        job = _Job(detector, picture, confidence, iou, time.perf_counter(), result)
        self._jobs.append(job)
        self._arrived.set()
        return await result

    async def run_lane(self, pulse: Pulse) -> None:
        """Run inferences until cancelled; `pulse` stands still while one does not end."""
        while True:
            pulse.beat()
            batch = await self._take()
            if not batch:
                continue
            try:
                await self._run(batch)
            finally:
                for job in batch:
                    if not job.result.done():
                        job.result.set_exception(InferenceFailed("the inference was interrupted"))

    async def _take(self) -> list[_Job]:
        """Return the next jobs that go together, or none after a while without any."""
        try:
            async with asyncio.timeout(_IDLE_BEAT_S):
                while not self._jobs:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            return []
        batch: list[_Job] = []
        while self._jobs and (not batch or self._jobs[0].goes_with(batch[0])):
            job = self._jobs.popleft()
            # A caller whose deadline passed cancelled its future: its picture costs nothing more.
            if not job.result.done():
                batch.append(job)
                if len(batch) == job.detector.traits.max_batch:
                    break
        return batch

    async def _run(self, batch: list[_Job]) -> None:
        started = time.perf_counter()
        confidence = min(job.confidence for job in batch)
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(
                self._executor,
                batch[0].detector.detect,
                [job.picture for job in batch],
                confidence,
                batch[0].iou,
            )
        except InferenceFailed as error:
            self._fail(batch, error)
            return
        seconds = (time.perf_counter() - started) / len(batch)
        self._seconds_each += _SMOOTHING * (seconds - self._seconds_each)
        BATCH_PICTURES.observe(len(batch))
        for job, rows in zip(batch, found, strict=True):
            STAGE_SECONDS.labels("queue").observe(started - job.queued_at)
            STAGE_SECONDS.labels("infer").observe(seconds)
            if not job.result.done():
                job.result.set_result(Inferred(rows[rows[:, 4] > job.confidence], seconds))

    @staticmethod
    def _fail(batch: list[_Job], error: InferenceFailed) -> None:
        for job in batch:
            if not job.result.done():
                job.result.set_exception(error)
