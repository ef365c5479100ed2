"""One signed delivery: its events as read, what of it is refused, and the evidence that is stored.

A delivery is stored once, exactly as it was received (headers and body), and its frames refer to
it: with the chain of `prev`, one signature covers all that came before.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from dashboard_gateway.cameras import Camera
from dashboard_gateway.texts import holds_nul, storable
from pinhole.contract.errors import Refused, TooLarge
from pinhole.contract.event import (
    MAX_BATCH_EVENTS,
    CameraEvent,
    MalformedEvent,
    canonical,
    parse_event,
)
from pinhole.contract.receipt import Rejected
from pinhole.runtime.postgres import Connection

_NUL: Final = b"\\u0000"
_MAX_JSON_INTEGER: Final = 2**53 - 1  # RFC 8785: beyond it numbers are not exact


class BadJson(Refused):
    """The body is no JSON text, or no object (single) or list (batch)."""

    reason = "BAD_JSON"


@dataclass(frozen=True, slots=True)
class Received:
    """An event that was read."""

    index: int
    event: CameraEvent
    digest: bytes
    """SHA-256 of its canonical form."""
    attributes: str = "{}"
    """The attributes as JSON text."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An event that was not kept; where its place in a stream is known, that place is settled."""

    index: int
    reason: str
    details: str
    stream: UUID | None = None
    seq: int | None = None
    event_id: UUID | None = None
    digest: bytes | None = None

    def as_rejected(self) -> Rejected:
        """Return it as the receipt tells it."""
        return Rejected(index=self.index, reason=self.reason, details=self.details)


@dataclass(frozen=True)
class Delivery:
    """What one request brought, signed by `camera`."""

    camera: Camera
    headers: dict[str, str]
    body: bytes
    received_at: datetime
    sent_at: datetime
    """The signed `webhook-timestamp`: within 5 minutes of `received_at`."""
    events: tuple[Received, ...]
    refusals: tuple[Refusal, ...]

    @property
    def size(self) -> int:
        """How many events came, good or not."""
        return len(self.events) + len(self.refusals)


@dataclass
class Reading:
    """The events of a delivery, read one by one."""

    camera: Camera
    events: list[Received] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    def add(self, index: int, value: object) -> None:
        """Read one JSON value into an event or a refusal."""
        try:
            self.events.append(read_event(index, value, self.camera.source))
        except MalformedEvent as error:
            self.refusals.append(_refusal(index, value, error, self.camera.source))


def parse_json(body: bytes, *, batch: bool) -> list[Any]:
    """Return the JSON values of a body: those of its list, or the one object.

    Raises:
        BadJson: it is neither.
        TooLarge: more than 500.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        # UnicodeDecodeError and a number of 4,301 digits are ValueErrors as well.
        raise BadJson(f"the body is no JSON text: {str(error)[:200]}") from error
    if not batch:
        if not isinstance(value, dict):
            raise BadJson(f"a single event is a JSON object, got {type(value).__name__}")
        return [value]
    if not isinstance(value, list):
        raise BadJson(f"a batch of events is a JSON list, got {type(value).__name__}")
    if len(value) > MAX_BATCH_EVENTS:
        raise TooLarge(f"a batch has at most {MAX_BATCH_EVENTS} events, got {len(value)}")
    return value


def read_event(index: int, value: object, source: str) -> Received:
    """Return the event that a JSON value is.

    Raises:
        MalformedEvent: it is none, or it is not of `source`, whose key signed the delivery.
    """
    if not isinstance(value, dict):
        raise MalformedEvent(f"an event is a JSON object, got {type(value).__name__}")
    event = parse_event(value)
    if event.source != source:
        raise MalformedEvent(
            f"the delivery is signed by {source}, this event is of {event.source}",
            reason="SOURCE_MISMATCH",
        )
    text = canonical(value)
    # The canonical form may also spell a harmless "\\u0000".
    if _NUL in text and holds_nul(value):
        raise MalformedEvent("a text holds U+0000, which cannot be stored")
    attributes = value["data"].get("attributes")
    return Received(
        index, event, hashlib.sha256(text).digest(), json.dumps(attributes) if attributes else "{}"
    )


def _refusal(index: int, value: object, error: MalformedEvent, source: str) -> Refusal:
    """Return the refusal, with its place in the stream where that can be read all the same."""
    details = storable(error.details)
    data = value.get("data") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(data, dict) or value.get("source") != source:
        return Refusal(index, error.reason, details)
    stream, seq = _uuid(data.get("stream")), data.get("seq")
    if stream is None or type(seq) is not int or not 1 <= seq <= _MAX_JSON_INTEGER:
        return Refusal(index, error.reason, details)
    event_id, digest = _uuid(value.get("id")), _digest(value)
    return Refusal(index, error.reason, details, stream, seq, event_id, digest)


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _digest(value: dict[str, Any]) -> bytes | None:
    try:
        return hashlib.sha256(canonical(value)).digest()
    except MalformedEvent:
        return None


def evidence_of(deliveries: Sequence[Delivery]) -> tuple[list[Any], ...]:
    """Return the evidence of deliveries as a statement takes it.

    Five arrays in the order of `deliveries`: camera_id, webhook_id, received_at, headers, body.
    """
    return (
        [delivery.camera.camera_id for delivery in deliveries],
        [delivery.headers["webhook-id"] for delivery in deliveries],
        [delivery.received_at for delivery in deliveries],
        [json.dumps(delivery.headers) for delivery in deliveries],
        [delivery.body for delivery in deliveries],
    )


STORE = """
    WITH given AS MATERIALIZED (
        SELECT nextval('dashboard.deliveries_delivery_id_seq') AS delivery_id, d.*
        FROM unnest($1::integer[], $2::text[], $3::timestamptz[], $4::text[], $5::bytea[])
            WITH ORDINALITY AS d (camera_id, webhook_id, received_at, headers, body, ordinal)
    ), stored AS (
        INSERT INTO dashboard.deliveries
            (delivery_id, camera_id, webhook_id, received_at, headers, body)
        OVERRIDING SYSTEM VALUE
        SELECT delivery_id, camera_id, webhook_id, received_at, headers::jsonb, body FROM given
    )
    SELECT delivery_id FROM given ORDER BY ordinal
"""


async def store(connection: Connection, deliveries: Sequence[Delivery]) -> list[int]:
    """Store deliveries that bring no frames; return their ids, in the same order.

    Those that do are stored by the statement that writes the frames (frames.INSERT).
    """
    rows = await connection.fetch(STORE, *evidence_of(deliveries))
    return [row["delivery_id"] for row in rows]
