"""From the spool to the hub: a real spool, real HTTP, a hub that misbehaves on command."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import pytest

from camera_uploader import events
from camera_uploader.backoff import Backoff
from camera_uploader.clock import HubClock
from camera_uploader.frame import Frame
from camera_uploader.hub import Hub
from camera_uploader.identity import Identity
from camera_uploader.receipts import Receipts
from camera_uploader.sender import Sender
from camera_uploader.spool.spool import Spool
from camera_uploader.workers import Part, Workers
from pinhole.contract.cid import Cid
from pinhole.contract.errors import TooLarge
from pinhole.contract.event import FrameCaptured
from tests.camera_uploader.edge import SOURCE
from tests.camera_uploader.recording_hub import RecordingHub, Scripted
from tests.support.polling import WaitUntil


class Line:
    """A spool and what sends it."""

    def __init__(self, spool: Spool, hub: Hub, clock: HubClock) -> None:
        self.spool = spool
        self.fresh = threading.Event()
        self.receipts = Receipts(spool, clock)
        self.sender = Sender(
            spool.events,
            hub,
            self.receipts,
            fresh=self.fresh,
            backoff=Backoff(first_s=0.02, max_s=0.1),
        )

    def fill(self, count: int) -> None:
        """Spool this many frames, each of its own bytes."""
        for _ in range(count):
            self.add(b"frame %d" % (self.spool.events.head.seq + 1))

    def add(self, data: bytes) -> None:
        """Spool one frame as the camera does: the event, then the wake-up."""
        frame = Frame(
            data=data,
            cid=Cid.of(data),
            media_type="image/jpeg",
            width_px=1,
            height_px=1,
            captured_at=datetime.now(UTC),
        )
        self.spool.events.append(frame, events.captured(SOURCE, frame, None))
        self.fresh.set()

    @contextmanager
    def running(self) -> Iterator[Part]:
        """Run the sender for the length of a `with` block."""
        workers = Workers()
        part = workers.start("send", self.sender.run, stalls_after_s=30, wake=self.sender.wake)
        try:
            yield part
        finally:
            assert workers.stop(10)


@pytest.fixture
def line(spool: Spool, hub_url: str, identity: Identity, clock: HubClock) -> Iterator[Line]:
    with closing(Hub(hub_url, identity, clock, timeout_s=2)) as hub:
        yield Line(spool, hub, clock)


def test_when_up_to_date_each_event_goes_alone_and_at_once(
    line: Line, recording_hub: RecordingHub, wait_until: WaitUntil
) -> None:
    with line.running():
        for count in range(1, 6):
            line.fill(1)
            wait_until(lambda want=count: len(recording_hub.frames) == want)  # type: ignore[misc]

    assert [delivery.events for delivery in recording_hub.deliveries] == [1] * 5


def test_when_behind_events_go_in_batches_of_500_oldest_first(
    line: Line, recording_hub: RecordingHub, wait_until: WaitUntil
) -> None:
    line.fill(1203)
    with line.running():
        wait_until(lambda: line.spool.events.counts().unsent == 0)

    assert [delivery.events for delivery in recording_hub.deliveries] == [500, 500, 203]
    assert recording_hub.chain_problems() == []
    assert [event[1] for event in recording_hub.frames] == list(range(1, 1204))


def test_an_outage_loses_nothing_and_is_caught_up(
    line: Line, recording_hub: RecordingHub, wait_until: WaitUntil
) -> None:
    with line.running() as part:
        line.fill(3)
        wait_until(lambda: len(recording_hub.frames) == 3)
        recording_hub.is_up = False
        line.fill(40)
        wait_until(lambda: part.note)
        assert part.problem is None  # the camera records on: no failure of its own
        recording_hub.is_up = True
        wait_until(lambda: line.spool.events.counts().unsent == 0)

    assert len(recording_hub.frames) == 43
    assert recording_hub.chain_problems() == []


def test_an_answer_that_was_lost_does_not_double_the_event(
    line: Line, recording_hub: RecordingHub, wait_until: WaitUntil
) -> None:
    recording_hub.drops_answers = 3
    line.fill(1)
    with line.running():
        wait_until(lambda: line.spool.events.counts().pinned_through == 1)

    assert len(recording_hub.frames) == 1
    bodies = {delivery.body for delivery in recording_hub.deliveries}
    assert len(recording_hub.deliveries) >= 2
    assert len(bodies) == 1


def test_what_is_sent_after_days_is_byte_for_byte_what_was_spooled(
    line: Line, recording_hub: RecordingHub, wait_until: WaitUntil
) -> None:
    line.fill(1)
    (spooled,) = line.spool.events.unsent(1)
    recording_hub.scripted += [Scripted.error(503, "UNAVAILABLE")] * 3
    with line.running():
        wait_until(lambda: recording_hub.frames)

    assert recording_hub.deliveries[-1].body == spooled.body


def test_retry_after_is_obeyed_even_when_new_frames_come_and_the_hub_answers_others(
    line: Line, recording_hub: RecordingHub, wait_until: WaitUntil
) -> None:
    recording_hub.scripted.append(Scripted.error(503, "UNAVAILABLE", Retry_After="1"))
    line.fill(1)
    with line.running() as part:
        wait_until(lambda: part.note)
        began_s = time.monotonic()
        line.fill(1)
        line.sender.hub_is_back()
        wait_until(lambda: recording_hub.frames)

    assert time.monotonic() - began_s >= 0.9  # the wait had begun a moment before


def test_a_pause_of_the_cameras_own_ends_when_the_hub_answers_somebody(
    line: Line, recording_hub: RecordingHub, wait_until: WaitUntil
) -> None:
    line.sender._backoff = Backoff(first_s=600, max_s=600)
    recording_hub.scripted.append(Scripted.error(500, "INTERNAL"))
    line.fill(1)
    with line.running() as part:
        wait_until(lambda: part.note)
        line.sender.hub_is_back()
        wait_until(lambda: recording_hub.frames)


def test_rejected_events_stay_visible_and_are_never_sent_again(
    line: Line, recording_hub: RecordingHub, wait_until: WaitUntil
) -> None:
    def reject(event: FrameCaptured) -> tuple[str, str] | None:
        return ("MALFORMED_EVENT", "not today") if event.data.seq in (2, 5) else None

    recording_hub.reject = reject
    line.fill(6)
    with line.running():
        wait_until(lambda: line.spool.events.counts().unsent == 0)
        recording_hub.reject = lambda _: None
        line.fill(1)
        wait_until(lambda: (line.spool.stream, 7) in recording_hub.frames)

    assert sorted(seq for _, seq in recording_hub.frames) == [1, 3, 4, 6, 7]
    assert [(e.seq, e.reason) for e in line.spool.events.rejected()] == [
        (5, "MALFORMED_EVENT"),
        (2, "MALFORMED_EVENT"),
    ]


def test_one_event_that_the_hub_cannot_take_does_not_block_the_others(
    line: Line, recording_hub: RecordingHub, wait_until: WaitUntil
) -> None:
    poison = 7

    def receive_unless_poisoned(headers: dict[str, str], body: bytes) -> object:
        received = json.loads(body)
        for event in received if isinstance(received, list) else [received]:
            if event["data"]["seq"] == poison:
                raise TooLarge("this one is too much")
        return type(recording_hub).receive(recording_hub, headers, body)

    recording_hub.receive = receive_unless_poisoned  # type: ignore[method-assign, assignment]
    line.fill(20)
    with line.running():
        wait_until(lambda: line.spool.events.counts().unsent == 0)

    assert sorted(seq for _, seq in recording_hub.frames) == [
        s for s in range(1, 21) if s != poison
    ]
    (rejected,) = line.spool.events.rejected()
    assert (rejected.seq, rejected.reason) == (poison, "TOO_LARGE")


def test_a_camera_that_is_not_enrolled_yet_keeps_everything_until_it_is(
    line: Line, recording_hub: RecordingHub, wait_until: WaitUntil
) -> None:
    recording_hub.scripted += [Scripted.error(401, "BAD_SIGNATURE")] * 2
    recording_hub.scripted += [Scripted.error(403, "REVOKED")] * 2
    line.fill(3)
    with line.running():
        wait_until(lambda: len(recording_hub.frames) == 3)

    assert line.spool.events.rejected() == []


def test_the_acknowledgement_settles_what_the_hub_holds(
    line: Line, recording_hub: RecordingHub, wait_until: WaitUntil
) -> None:
    recording_hub.settles = False
    line.fill(3)
    with line.running():
        wait_until(lambda: line.spool.events.counts().sent == 3)
        recording_hub.settles = True
        line.fill(1)
        wait_until(lambda: line.spool.events.counts().pinned_through == 4)

    assert line.spool.events.counts().sent == 0


def test_an_acknowledgement_beyond_what_was_sent_is_ignored_and_alarmed(
    line: Line, recording_hub: RecordingHub, wait_until: WaitUntil
) -> None:
    recording_hub.claims_through = 1000
    line.fill(3)
    with line.running():
        wait_until(lambda: line.spool.events.counts().sent == 3)
        assert line.spool.events.counts().pinned_through == 0
        assert line.receipts.alarm == "the hub acknowledges seq 1000, the last one sent is 3"

        recording_hub.claims_through = None
        line.fill(1)
        wait_until(lambda: line.spool.events.counts().pinned_through == 4)
        assert line.receipts.alarm is None


def test_events_spooled_while_one_is_sent_go_next(
    line: Line, recording_hub: RecordingHub, wait_until: WaitUntil
) -> None:
    with line.running():
        for _ in range(200):
            line.fill(1)
        wait_until(lambda: line.spool.events.counts().unsent == 0)

    assert len(recording_hub.frames) == 200
    assert recording_hub.repeated == 0
    assert recording_hub.chain_problems() == []
