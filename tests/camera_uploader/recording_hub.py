"""A small hub over real HTTP that keeps to the contract and remembers everything.

The pipeline's tests use the real dashboard; here the hub has to misbehave on command: be away,
answer garbage, forget, ask for bytes, have another clock. What it accepts it checks as the
dashboard does: signature and timestamp, the event's form, its place in the chain.
"""

import json
import ssl
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

from pinhole.contract.cid import Cid
from pinhole.contract.errors import ErrorBody, PinholeError, Unprocessable
from pinhole.contract.event import (
    BATCH_CONTENT_TYPE,
    CameraEvent,
    CameraStatus,
    FrameCaptured,
    FrameLost,
    digest,
    parse_event,
)
from pinhole.contract.pins import BlockStored
from pinhole.contract.receipt import Receipt, Rejected, Wanted
from pinhole.contract.signing import Ed25519Key, verify

EVENTS_PATH = "/api/v1/events"
BLOCKS_PATH = "/api/v1/blocks"


@dataclass(frozen=True)
class Scripted:
    """An answer that the hub gives instead of doing its work."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def error(cls, status: int, reason: str, **headers: str) -> "Scripted":
        """Return an error as every service of Pinhole says it."""
        error = PinholeError("said by the test", reason=reason)
        return cls(status, ErrorBody.of(error).wire(), dict(headers))


@dataclass
class Delivery:
    """One request that was accepted as signed."""

    headers: dict[str, str]
    body: bytes
    events: int


@dataclass
class RecordingHub:
    """What came, and what the hub should do about it. Used by its server's threads and the test."""

    public_key: Ed25519Key | None = None
    clock: timedelta = timedelta()
    """Its clock less the real time."""
    settles: bool = True
    """Whether an event is settled (pinned) as soon as all before it came."""
    is_up: bool = True
    scripted: list[Scripted] = field(default_factory=list)
    drops_answers: int = 0
    """So many requests are worked on and never answered: the connection just ends."""
    reject: Callable[[FrameCaptured], tuple[str, str] | None] = lambda _: None
    wanted: list[Wanted] = field(default_factory=list)
    claims_through: int | None = None
    """Said instead of the truth."""

    deliveries: list[Delivery] = field(default_factory=list)
    frames: dict[tuple[UUID, int], dict[str, Any]] = field(default_factory=dict)
    ids: dict[str, bytes] = field(default_factory=dict)
    repeated: int = 0
    statuses: list[CameraStatus] = field(default_factory=list)
    lost: list[FrameLost] = field(default_factory=list)
    blocks: dict[Cid, bytes] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    arrivals: list[datetime] = field(default_factory=list)
    mutex: threading.RLock = field(default_factory=threading.RLock)

    @property
    def now(self) -> datetime:
        """Its time."""
        return datetime.now(UTC) + self.clock

    def streams(self) -> dict[UUID, dict[int, dict[str, Any]]]:
        """Return {stream: {seq: event as received}}."""
        streams: dict[UUID, dict[int, dict[str, Any]]] = defaultdict(dict)
        with self.mutex:
            for (stream, seq), event in self.frames.items():
                streams[stream][seq] = event
        return streams

    def cids(self) -> list[Cid]:
        """Return the CID of every frame, in the order of its only stream."""
        (stream,) = self.streams().values()
        return [Cid.parse(stream[seq]["subject"]) for seq in sorted(stream)]

    def chain_problems(self) -> list[str]:
        """Return what is missing in, or wrong with, the streams; nothing where all is well."""
        problems = []
        for stream, events in self.streams().items():
            previous = None
            for seq in range(1, max(events) + 1):
                event = events.get(seq)
                if event is None:
                    problems.append(f"{stream} has no {seq}")
                elif event["data"].get("prev") != previous:
                    problems.append(f"{stream} {seq} does not follow {seq - 1}")
                previous = None if event is None else digest(event).hex()
        return problems

    def receive(self, headers: dict[str, str], body: bytes) -> Receipt:
        """Take a delivery of events."""
        self.check(headers, body)
        batch = headers["content-type"] == BATCH_CONTENT_TYPE
        received = json.loads(body) if batch else [json.loads(body)]
        with self.mutex:
            self.deliveries.append(Delivery(headers, body, len(received)))
            outcomes = [self._take(index, event) for index, event in enumerate(received)]
            rejected = [outcome for outcome in outcomes if isinstance(outcome, Rejected)]
            return Receipt(
                accepted=outcomes.count(True),
                duplicates=outcomes.count(False),
                rejected=rejected,
                pinned_through=self._through(),
                wanted=self.wanted,
                hub_time=self.now,
            )

    def store(self, headers: dict[str, str], data: bytes) -> BlockStored:
        """Take a pushed block."""
        self.check(headers, data)
        assert headers["pinhole-source"]
        cid = Cid.of(data)
        with self.mutex:
            duplicate = cid in self.blocks
            self.blocks[cid] = data
            self.wanted = [wish for wish in self.wanted if wish.cid != cid]
        return BlockStored(cid=cid, sha256=cid.sha256, size_bytes=len(data), duplicate=duplicate)

    def check(self, headers: dict[str, str], body: bytes) -> None:
        """Raise where the request is not signed by the camera's key at about this time."""
        if self.public_key is not None:
            verify(headers, body, [self.public_key], self.now)

    def _take(self, index: int, received: dict[str, Any]) -> bool | Rejected:
        event: CameraEvent = parse_event(received)
        match event:
            case FrameCaptured():
                return self._take_frame(index, event, received)
            case CameraStatus():
                self.statuses.append(event)
            case FrameLost():
                self.lost.append(event)
            case _:
                raise Unprocessable(f"no camera sends {event.type} yet")
        return True

    def _take_frame(
        self, index: int, event: FrameCaptured, received: dict[str, Any]
    ) -> bool | Rejected:
        assert event.data.stream is not None
        assert event.data.seq is not None
        if (why := self.reject(event)) is not None:
            return Rejected(index=index, reason=why[0], details=why[1])
        known = self.ids.setdefault(str(event.id), digest(received))
        assert known == digest(received), "the same id with other content"
        key = (event.data.stream, event.data.seq)
        if key in self.frames:
            assert self.frames[key] == received, "the same place with another event"
            self.repeated += 1
            return False
        self.frames[key] = received
        self.arrivals.append(datetime.now(UTC))
        return True

    def _through(self) -> dict[UUID, int]:
        if not self.settles:
            return {}
        through = {}
        for stream, events in self.streams().items():
            seq = 0
            while seq + 1 in events:
                seq += 1
            through[stream] = seq if self.claims_through is None else self.claims_through
        return through


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: RecordingHub
    timeout = 30
    # Headers and body are two writes: with Nagle's algorithm each answer would take 40 ms.
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        hub = self.hub
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if not hub.is_up:
            self.close_connection = True
            return
        with hub.mutex:
            scripted = hub.scripted.pop(0) if hub.scripted else None
        if scripted is not None:
            self._answer(scripted.status, scripted.body, scripted.headers)
            return
        try:
            status, answer = self._work(headers, body)
        except PinholeError as error:
            hub.refusals.append(error.reason)
            self._answer(error.status, ErrorBody.of(error).wire(), {})
            return
        if hub.drops_answers > 0:
            hub.drops_answers -= 1
            self.close_connection = True
            return
        self._answer(status, answer, {})

    def _work(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if self.path == BLOCKS_PATH:
            return 200, self.hub.store(headers, body).wire()
        assert self.path == EVENTS_PATH
        receipt = self.hub.receive(headers, body)
        good = receipt.accepted + receipt.duplicates > 0
        return (202 if good else 422), receipt.wire()

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A camera that is killed leaves its connection: no news."""


@contextmanager
def serving(
    hub: RecordingHub, port: int = 0, *, tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """Serve `hub` on loopback and give its URL."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = _Server(("127.0.0.1", port), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
