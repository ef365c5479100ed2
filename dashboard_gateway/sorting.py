"""Looking at what came: new, come again, lost, refused. No PostgreSQL here, only the locked rows.

A frame's identity is (camera, event id) and (camera, stream, seq). Which of those that look new
are so in truth is for the constraints to say; which of those that came again say the same is for
their digests.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from dashboard_gateway.absences import Absence, Kind
from dashboard_gateway.capture_time import believed
from dashboard_gateway.chain import Link, Place, Settled
from dashboard_gateway.deliveries import Delivery, Received, Refusal
from dashboard_gateway.frames import NewFrame, Written
from dashboard_gateway.heartbeats import Sign
from dashboard_gateway.settlement import Advance, Stream
from pinhole.contract.cid import Cid
from pinhole.contract.event import CameraStatus, FrameCaptured, FrameErased, FrameLost
from pinhole.contract.receipt import Wanted

CONFLICT: Final = "CONFLICT"
LOST: Final = "LOST"

Identity = tuple[int, UUID]
"""(camera_id, event id)."""


@dataclass
class Taken:
    """What becomes of one delivery."""

    delivery: Delivery
    refusals: list[Refusal]
    accepted: int = 0
    duplicates: int = 0
    frame_ids: list[int] = field(default_factory=list)
    delivery_id: int | None = None
    """Set once its evidence is stored."""
    pinned_through: dict[UUID, int] = field(default_factory=dict)
    wanted: list[Wanted] = field(default_factory=list)
    """Oldest first; one more than is told where there are more than 500."""

    camera_id: int = field(init=False)
    """Who sent it."""
    streams: set[UUID] = field(init=False)
    """The streams that its events name."""

    def __post_init__(self) -> None:
        self.camera_id = self.delivery.camera.camera_id
        named = map(_stream_of, self.delivery.events)
        self.streams = {stream for stream in named if stream is not None}

    def refuse(self, received: Received, details: str) -> None:
        """Refuse an event that contradicts what was written before."""
        self.refusals.append(Refusal(received.index, CONFLICT, details))


@dataclass(slots=True)
class Candidate:
    """A frame that looks new."""

    taken: Taken
    received: Received
    frame: NewFrame

    @property
    def place(self) -> Place | None:
        """(stream, seq), where the sender has a stream."""
        return _place_of(self.frame.event)


@dataclass(slots=True)
class Repeat:
    """An event whose identity was seen before: the same again, or a contradiction."""

    taken: Taken
    received: Received
    event: FrameCaptured | FrameLost

    @property
    def identity(self) -> Identity:
        """(camera_id, event id)."""
        return (self.taken.camera_id, self.event.id)


def streams_named(taken: Sequence[Taken]) -> dict[UUID, int]:
    """Return every stream that deliveries name, and the camera that named it first."""
    named: dict[UUID, int] = {}
    for one in taken:
        refused = {refusal.stream for refusal in one.refusals if refusal.stream is not None}
        for stream in one.streams | refused:
            named.setdefault(stream, one.camera_id)
    return named


class Sorting:
    """The events of one commit, each in the list of what it is."""

    def __init__(
        self, taken: Sequence[Taken], streams: Mapping[UUID, Stream], plausible_age: timedelta
    ) -> None:
        self.streams = streams
        self.advances = {stream: Advance(stream) for stream in streams}
        self.candidates: list[Candidate] = []
        self.repeats: list[Repeat] = []
        self.losses: list[Repeat] = []
        self.absences: list[tuple[Taken, Absence]] = []
        self.erased: list[tuple[int, Cid]] = []
        self.signs: dict[int, Sign] = {}
        self._plausible_age = plausible_age
        self._identities: set[Identity] = set()
        self._places: set[Place] = set()
        for one in taken:
            self._sort(one)

    def _sort(self, taken: Taken) -> None:
        camera_id, received_at = taken.camera_id, taken.delivery.received_at
        self.signs.setdefault(camera_id, Sign(camera_id, received_at)).hear(received_at)
        for refusal in taken.delivery.refusals:
            if refusal.stream is not None and refusal.seq is not None:
                self._sort_refusal(taken, (refusal.stream, refusal.seq), refusal)
        for received in taken.delivery.events:
            stream = _stream_of(received)
            if stream is not None and self.streams[stream].camera_id != camera_id:
                taken.refuse(received, f"the stream {stream} belongs to another camera")
            else:
                self._sort_event(taken, received)

    def _sort_event(self, taken: Taken, received: Received) -> None:
        match received.event:
            case FrameCaptured() as event:
                self._sort_frame(taken, received, event)
            case FrameLost() as event:
                self.losses.append(Repeat(taken, received, event))
            case CameraStatus(data=data):
                taken.accepted += 1
                status, sent_at = data.wire().decode(), taken.delivery.sent_at
                self.signs[taken.camera_id].hear_status(status, sent_at)
            case FrameErased(data=data):
                taken.accepted += 1
                self.erased += [(taken.camera_id, cid) for cid in data.cids]

    def _sort_frame(self, taken: Taken, received: Received, event: FrameCaptured) -> None:
        identity, place = (taken.camera_id, event.id), _place_of(event)
        if identity in self._identities or (place is not None and self.is_taken(place)):
            self.repeats.append(Repeat(taken, received, event))
            return
        self._identities.add(identity)
        if place is not None:
            self._places.add(place)
        received_at = taken.delivery.received_at
        captured_at = believed(
            event.time, event.data.clock_offset_ms, received_at, self._plausible_age
        )
        frame = NewFrame(taken.delivery, event, received.digest, received.attributes, captured_at)
        self.candidates.append(Candidate(taken, received, frame))

    def _sort_refusal(self, taken: Taken, place: Place, refusal: Refusal) -> None:
        is_own = self.streams[place[0]].camera_id == taken.camera_id
        if is_own and not self.is_taken(place):
            self.leave_empty(taken, place, refusal, refusal.digest)

    def is_taken(self, place: Place) -> bool:
        """Whether a place in a stream has a meaning, from before or from this commit."""
        return place in self._places or self.streams[place[0]].knows(place[1])

    def leave_empty(
        self, taken: Taken, place: Place, refusal: Refusal, digest: bytes | None
    ) -> None:
        """Settle the place of a refused event: nothing will ever stand there."""
        stream, seq = place
        self._places.add(place)
        self.advances[stream].add(seq, seq, digest)
        reason, details = refusal.reason, refusal.details
        absence = Absence(
            taken.camera_id, stream, seq, seq, Kind.REJECTED, reason, details, None, digest
        )
        self.absences.append((taken, absence))

    def keep(self, candidate: Candidate, written: Written) -> None:
        """Count a frame that was written, and with it the evidence."""
        candidate.taken.accepted += 1
        candidate.taken.frame_ids.append(written.frame_id)
        candidate.taken.delivery_id = written.delivery_id
        if candidate.place is not None:
            stream, seq = candidate.place
            self.advances[stream].add(seq, seq, candidate.received.digest)

    def lose(self, loss: Repeat, event: FrameLost) -> None:
        """Settle the seqs that a camera declares lost."""
        data, taken = event.data, loss.taken
        taken.accepted += 1
        self.advances[data.stream].add(data.first_seq, data.last_seq, None)
        absence = Absence(
            taken.camera_id,
            data.stream,
            data.first_seq,
            data.last_seq,
            Kind.LOST,
            LOST,
            data.reason,
            event.id,
            loss.received.digest,
        )
        self.absences.append((taken, absence))

    def contradict(self, repeat: Repeat, *, same_id: bool) -> None:
        """Refuse an event under an identity that has other content."""
        taken, event = repeat.taken, repeat.event
        place = _place_of(event) if isinstance(event, FrameCaptured) else None
        if same_id or place is None:
            taken.refuse(repeat.received, f"the event id {event.id} has other content here")
        else:
            stream, seq = place
            details = f"seq {seq} of stream {stream} is another event, lost, or was rejected"
            taken.refuse(repeat.received, details)
        if place is not None and not self.is_taken(place):
            self.leave_empty(taken, place, taken.refusals[-1], repeat.received.digest)

    def links(self) -> Iterator[Link]:
        """Yield what looks new as the chain sees it."""
        for candidate in self.candidates:
            if candidate.place is not None:
                prev = candidate.frame.event.data.prev
                hash_ = None if prev is None else bytes.fromhex(prev)
                yield Link(candidate.place, hash_, candidate.received.digest)

    def settled(self) -> Iterator[Settled]:
        """Yield every place that this commit gave its meaning, as the chain sees it."""
        for candidate in self.candidates:
            if candidate.place is not None:
                stream, seq = candidate.place
                yield Settled(stream, seq, seq, candidate.received.digest)
        yield from (_settled_by(absence) for _, absence in self.absences)

    def gaps(self) -> dict[Place, bytes | None]:
        """Return the ends of all places that this commit leaves empty, with what hash is known."""
        empty = {(a.stream, a.last_seq): _hash_in_chain(a) for _, a in self.absences}
        for loss in self.losses:
            if isinstance(loss.event, FrameLost):
                empty.setdefault((loss.event.data.stream, loss.event.data.last_seq), None)
        return empty


def _settled_by(absence: Absence) -> Settled:
    return Settled(absence.stream, absence.first_seq, absence.last_seq, _hash_in_chain(absence))


def _hash_in_chain(absence: Absence) -> bytes | None:
    # A declaration's own hash is not that of any event it declares lost.
    return absence.event_digest if absence.kind is Kind.REJECTED else None


def _place_of(event: FrameCaptured) -> Place | None:
    stream, seq = event.data.stream, event.data.seq
    return None if stream is None or seq is None else (stream, seq)


def _stream_of(received: Received) -> UUID | None:
    event = received.event
    return None if isinstance(event, FrameErased) else event.data.stream
