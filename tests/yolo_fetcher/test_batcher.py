"""The queue before the model: order, micro-batches, bounds, and work that nobody waits for."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pinhole.contract.errors import Busy
from pinhole.runtime.tasks import Supervisor
from tests.support.polling import Eventually
from yolo_fetcher.batcher import Batcher, Inferred
from yolo_fetcher.detector import InferenceFailed, Rows, Traits
from yolo_fetcher.letterbox import Pixels


class Gate:
    """A detector that stops before each inference until it is let through.

    A real model cannot be held at a chosen instant. What is tested here is the order of things,
    which no model has a part in; test_reference.py runs the same batcher with a real one.
    """

    def __init__(self, max_batch: int = 4) -> None:
        self.traits = Traits((4, 4), {}, max_batch, 1, True, "gate")
        self.batches: list[list[int]] = []
        self.open = threading.Semaphore(0)
        self.error: Exception | None = None

    def detect(self, pictures: Sequence[Pixels], confidence: float, iou: float) -> list[Rows]:
        del iou
        self.batches.append([int(picture[0, 0, 0]) for picture in pictures])
        assert self.open.acquire(timeout=10)
        if self.error is not None:
            raise self.error
        return [_rows(picture, confidence) for picture in pictures]

    def let_through(self, inferences: int) -> None:
        self.open.release(inferences)


def _picture(number: int) -> Pixels:
    return np.full((4, 4, 3), number, np.uint8)


def _rows(picture: Pixels, confidence: float) -> Rows:
    """Return rows of confidence 0.1, 0.2 … 0.9 that carry the picture's number."""
    rows = np.zeros((9, 6), np.float32)
    rows[:, 0] = picture[0, 0, 0]
    rows[:, 4] = np.arange(9, 0, -1) / 10
    return rows[rows[:, 4] > confidence]


@pytest.fixture
async def batcher() -> AsyncIterator[Batcher]:
    """Give a batcher of one lane with room for eight."""
    supervisor = Supervisor()
    executor = ThreadPoolExecutor(1)
    batcher = Batcher(8, 1, executor)
    supervisor.start("lane", batcher.run_lane, stalls_after_s=10)
    yield batcher
    await supervisor.stop()
    executor.shutdown(wait=False)


async def test_what_gathers_during_an_inference_is_taken_together_by_the_next(
    batcher: Batcher, eventually: Eventually
) -> None:
    gate = Gate(max_batch=4)
    tasks = [_infer(batcher, gate, 0)]
    await eventually(lambda: gate.batches == [[0]])
    tasks += [_infer(batcher, gate, number) for number in range(1, 7)]
    await asyncio.sleep(0)
    gate.let_through(3)
    results = [(await task).rows[0, 0] for task in tasks]
    assert results == [0, 1, 2, 3, 4, 5, 6]
    assert gate.batches == [[0], [1, 2, 3, 4], [5, 6]]


async def test_pictures_for_different_models_or_overlaps_are_not_mixed(
    batcher: Batcher, eventually: Eventually
) -> None:
    gate, other = Gate(), Gate()
    tasks = [_infer(batcher, gate, 0)]
    await eventually(lambda: gate.batches == [[0]])
    tasks += [_infer(batcher, gate, 1), _infer(batcher, other, 2), _infer(batcher, gate, 3)]
    tasks += [_infer(batcher, gate, 4, iou=0.3)]
    await asyncio.sleep(0)
    gate.let_through(4)
    other.let_through(1)
    await asyncio.gather(*tasks)
    assert gate.batches == [[0], [1], [3], [4]]
    assert other.batches == [[2]]


async def test_each_picture_of_a_batch_is_cut_at_its_own_confidence(
    batcher: Batcher, eventually: Eventually
) -> None:
    gate = Gate()
    first = _infer(batcher, gate, 0)
    await eventually(lambda: gate.batches == [[0]])
    low, high = _infer(batcher, gate, 1, confidence=0.15), _infer(batcher, gate, 2, confidence=0.75)
    await asyncio.sleep(0)
    gate.let_through(2)
    await first
    assert len((await low).rows) == 8
    assert len((await high).rows) == 2


async def test_picture_that_nobody_waits_for_any_more_is_not_inferred(
    batcher: Batcher, eventually: Eventually
) -> None:
    gate = Gate()
    first = _infer(batcher, gate, 0)
    await eventually(lambda: gate.batches == [[0]])
    given_up, waited_for = _infer(batcher, gate, 1), _infer(batcher, gate, 2)
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.sleep(0)
    gate.let_through(2)
    await asyncio.gather(first, waited_for)
    assert gate.batches == [[0], [2]]


async def test_failed_inference_fails_its_pictures_and_no_others(
    batcher: Batcher, eventually: Eventually
) -> None:
    gate = Gate()
    gate.error = InferenceFailed("out of memory")
    failing = _infer(batcher, gate, 0)
    gate.let_through(1)
    with pytest.raises(InferenceFailed, match="out of memory"):
        await failing
    gate.error = None
    gate.let_through(1)
    assert (await _infer(batcher, gate, 1)).rows[0, 0] == 1


async def test_unforeseen_error_does_not_leave_anybody_waiting(batcher: Batcher) -> None:
    gate = Gate()
    gate.error = ZeroDivisionError()
    failing = _infer(batcher, gate, 0)
    gate.let_through(1)
    with pytest.raises(InferenceFailed, match="interrupted"):
        await failing


async def test_only_so_many_pictures_are_admitted_at_once(batcher: Batcher) -> None:
    with batcher.admit(5), batcher.admit(3):
        with pytest.raises(Busy, match="8 pictures are being worked on and 1 more") as refusal:
            batcher.admit(1).__enter__()
        assert refusal.value.status == 429
    with batcher.admit(8):
        pass


async def test_time_to_come_back_grows_with_what_is_waiting(
    batcher: Batcher, eventually: Eventually
) -> None:
    gate = Gate()
    first = _infer(batcher, gate, 0)
    await eventually(lambda: gate.batches == [[0]])
    gate.let_through(1)
    each_s = (await first).seconds
    assert each_s > 0
    with batcher.admit(8), pytest.raises(Busy) as refusal:
        batcher.admit(1).__enter__()
    assert 0 < refusal.value.retry_after_s <= 8 * each_s


def _infer(
    batcher: Batcher, gate: Gate, number: int, *, confidence: float = 0.25, iou: float = 0.7
) -> "asyncio.Task[Inferred]":
    return asyncio.create_task(batcher.infer(gate, _picture(number), confidence, iou))
