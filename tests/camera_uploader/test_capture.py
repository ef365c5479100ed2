"""What the camera does where its node cannot follow, and where a source has nothing to say."""

import queue
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from camera_uploader.capture import Capture, FrameQueue
from camera_uploader.developing import Developer
from camera_uploader.frame import PixelShot, RefusalReason
from camera_uploader.sources.source import Unmarked
from camera_uploader.spool.spool import Spool
from camera_uploader.workers import Part, Workers
from tests.camera_uploader.pictures import pixels
from tests.support.polling import WaitUntil


class Scripted(Unmarked):
    """A source of so many pictures, and then of nothing."""

    name = "scripted"

    def __init__(self, count: int, *, live: bool) -> None:
        self.live = live
        self.count = count
        self.openings = 0

    def shots(self, stopping: threading.Event) -> Iterator[PixelShot | None]:
        self.openings += 1
        for number in range(self.count):
            yield PixelShot(pixels=pixels(number), captured_at=datetime.now(UTC))
        while not stopping.wait(0.01):
            yield None


def _run(capture: Capture) -> tuple[Workers, Part]:
    workers = Workers()
    return workers, workers.start("capture", capture.run, stalls_after_s=30)


def test_a_live_source_is_not_made_to_wait_and_what_is_left_out_is_counted(
    spool: Spool, wait_until: WaitUntil
) -> None:
    frames: FrameQueue = queue.Queue(3)
    source = Scripted(10, live=True)
    workers, _ = _run(Capture(source, Developer(), frames, spool.items, silent_after_s=60))

    wait_until(lambda: spool.events.counts().refused == 7)

    assert frames.qsize() == 3
    assert {r.reason for r in spool.items.refusals()} == {RefusalReason.NODE_UNAVAILABLE}
    assert workers.stop(5)


def test_any_other_source_waits_and_loses_nothing(spool: Spool, wait_until: WaitUntil) -> None:
    frames: FrameQueue = queue.Queue(3)
    source = Scripted(10, live=False)
    workers, part = _run(Capture(source, Developer(), frames, spool.items, silent_after_s=60))

    wait_until(lambda: part.note)
    assert part.problem is None
    taken = [frames.get(timeout=5) for _ in range(10)]

    assert len({frame.cid for frame in taken}) == 10
    assert spool.events.counts().refused == 0
    assert workers.stop(5)


def test_a_live_source_that_falls_silent_is_opened_again_and_health_is_red(
    spool: Spool, wait_until: WaitUntil
) -> None:
    source = Scripted(1, live=True)
    frames: FrameQueue = queue.Queue(100)
    capture = Capture(source, Developer(), frames, spool.items, silent_after_s=0.1)
    workers, part = _run(capture)

    wait_until(lambda: part.problem)
    assert part.problem == "scripted gave no picture for 0.1 s"
    wait_until(lambda: source.openings >= 3)
    assert workers.stop(5)


def test_a_quiet_directory_is_no_failure(spool: Spool, wait_until: WaitUntil) -> None:
    frames: FrameQueue = queue.Queue(100)
    source = Scripted(0, live=False)
    capture = Capture(source, Developer(), frames, spool.items, silent_after_s=0.05)
    workers, part = _run(capture)
    beat = part.last_beat

    wait_until(lambda: part.last_beat > beat + 0.3)

    assert part.problem is None
    assert source.openings == 1
    assert workers.stop(5)


def test_a_thread_that_dies_is_restarted_and_seen(
    wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("camera_uploader.workers.RESTART_DELAY_S", 0.01)
    died = threading.Event()

    def work(part: Part, stopping: threading.Event) -> None:
        if not died.is_set():
            died.set()
            raise RuntimeError("what nobody thought of")
        while not stopping.wait(0.01):
            part.beat()

    workers = Workers()
    part = workers.start("work", work, stalls_after_s=30)

    wait_until(lambda: part.restarts == 1)
    wait_until(lambda: part.problem is None)
    assert workers.stop(5)


def test_a_thread_that_stands_still_turns_health_red_within_its_time(
    wait_until: WaitUntil,
) -> None:
    workers = Workers()
    part = workers.start("work", lambda _, stopping: void(stopping.wait()), stalls_after_s=0.1)

    wait_until(lambda: part.problem)

    assert "no progress" in str(part.problem)
    assert workers.stop(5)


def void(_: object) -> None:
    """Take a value and give none."""
