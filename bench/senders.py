"""Cameras that the bench plays: enrolled, with keys and streams, deliveries ready as bytes."""

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from uuid import UUID

from bench import http_bytes
from dashboard_gateway import cameras
from dashboard_gateway.cameras import Enrolment
from pinhole.contract.cid import Cid
from pinhole.contract.event import (
    BATCH_CONTENT_TYPE,
    SINGLE_CONTENT_TYPE,
    CameraEvent,
    FrameCaptured,
    FrameData,
    as_sent,
    digest,
    source_of,
)
from pinhole.contract.ids import uuid7
from pinhole.contract.pins import Origin
from pinhole.contract.signing import Ed25519Signer, HmacKey
from pinhole.runtime.postgres import Pool

SITE = "bench"
PATH = "/api/v1/events"


@dataclass
class Sender:
    """One camera with its stream: makes events that follow one another, and signs deliveries."""

    name: str
    secret: str
    """`whsk_…` or `whsec_…`: text, because the key itself cannot go to another process."""
    stream: UUID = field(default_factory=uuid7)
    seq: int = 0
    prev: str | None = None

    @property
    def source(self) -> str:
        """The `source` of its events."""
        return source_of(SITE, self.name)

    async def enrol(self, pool: Pool, origin: Origin | None = None) -> int:
        """Make the dashboard know it; return its camera_id."""
        key = _key(self.secret)
        enrolment = Enrolment(
            SITE,
            self.name,
            public_keys=(key.public,) if isinstance(key, Ed25519Signer) else (),
            hmac_keys=(key,) if isinstance(key, HmacKey) else (),
            origin=origin or Origin(),
        )
        return await cameras.enrol(pool, enrolment)

    def event(self, cid: Cid, size_bytes: int, at: datetime | None = None) -> dict[str, object]:
        """Return the next event of the stream, as it is sent."""
        self.seq += 1
        event: CameraEvent = FrameCaptured(
            id=uuid7(),
            source=self.source,
            time=at or datetime.now(UTC),
            subject=cid,
            data=FrameData(
                stream=self.stream,
                seq=self.seq,
                prev=self.prev,
                size_bytes=size_bytes,
                width_px=1280,
                height_px=720,
                clock_offset_ms=3,
            ),
        )
        sent = as_sent(event)
        self.prev = digest(sent).hex()
        return sent

    def any_event(self) -> dict[str, object]:
        """Return the next event, about bytes that nobody will ever see."""
        return self.event(Cid(os.urandom(32)), 200_000)

    def single(self, event: dict[str, object]) -> bytes:
        """Return the signed request that delivers one event."""
        return self._request(json.dumps(event, separators=(",", ":")).encode(), SINGLE_CONTENT_TYPE)

    def batch(self, events: list[dict[str, object]]) -> bytes:
        """Return the signed request that delivers many."""
        return self._request(json.dumps(events, separators=(",", ":")).encode(), BATCH_CONTENT_TYPE)

    def _request(self, body: bytes, content_type: str) -> bytes:
        headers = {
            **_key(self.secret).headers(body, str(uuid7()), datetime.now(UTC)),
            "Content-Type": content_type,
            "Pinhole-Source": self.source,
        }
        return http_bytes.post(PATH, body, headers)


@cache
def _key(secret: str) -> HmacKey | Ed25519Signer:
    return HmacKey.parse(secret) if secret.startswith("whsec_") else Ed25519Signer.parse(secret)


def hmac_sender(name: str) -> Sender:
    """Return a sender with a shared secret (`v1`)."""
    return Sender(name, str(HmacKey.generate()))


def camera(name: str) -> Sender:
    """Return a camera with a key of its own (`v1a`)."""
    return Sender(name, Ed25519Signer.generate().export())
