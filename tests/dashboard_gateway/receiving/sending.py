"""A sender for tests: makes chained events, signs them, posts them."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import aiohttp
from aiohttp.test_utils import TestClient

from dashboard_gateway import cameras
from dashboard_gateway.cameras import Enrolment
from pinhole.contract.cid import Cid
from pinhole.contract.event import (
    BATCH_CONTENT_TYPE,
    SINGLE_CONTENT_TYPE,
    FrameCaptured,
    FrameData,
    as_sent,
    digest,
    source_of,
)
from pinhole.contract.ids import uuid7
from pinhole.contract.receipt import Receipt
from pinhole.contract.signing import Ed25519Signer, HmacKey, Signer
from pinhole.runtime.postgres import Pool

Client = TestClient[Any, Any]
Poster = Client | aiohttp.ClientSession
JsonObject = dict[str, Any]


@dataclass
class Answer:
    """What came back."""

    status: int
    body: JsonObject
    headers: Mapping[str, str]

    @property
    def receipt(self) -> Receipt:
        """The body as a receipt."""
        return Receipt.model_validate(self.body)

    @property
    def reason(self) -> str:
        """The machine word of an error body."""
        return str(self.body["error"]["reason"])


@dataclass
class Sender:
    """A camera as the hub sees it: a name, a key, a stream."""

    client: Poster
    signer: Signer
    site: str = "city"
    name: str = "gate"
    camera_id: int = 0
    stream: UUID = field(default_factory=uuid7)
    seq: int = 0
    head: bytes | None = None
    base: str = ""
    """Where the dashboard is, for a client that does not know."""

    @property
    def source(self) -> str:
        """Its `source`."""
        return source_of(self.site, self.name)

    def frame(self, picture: bytes | None = None, **changes: Any) -> JsonObject:
        """Return the next event of the stream, as it would be sent."""
        self.seq += 1
        data: JsonObject = {
            "stream": self.stream,
            "seq": self.seq,
            "prev": self.head.hex() if self.head else None,
            "size_bytes": len(picture) if picture else 200_000,
            "width_px": 1920,
            "height_px": 1080,
        }
        event = as_sent(
            FrameCaptured(
                id=uuid7(),
                source=self.source,
                time=changes.pop("time", datetime.now(UTC)),
                subject=Cid.of(picture if picture is not None else uuid4().bytes),
                data=FrameData(**{**data, **changes}),
            )
        )
        self.head = digest(event)
        return event

    def unchained(self, **changes: Any) -> JsonObject:
        """Return an event of a sender that has no stream."""
        event = FrameCaptured(
            id=uuid7(),
            source=self.source,
            time=datetime.now(UTC),
            subject=Cid.of(uuid4().bytes),
            data=FrameData(**{"size_bytes": 1000, **changes}),
        )
        return as_sent(event)

    def event(self, kind: str, data: JsonObject, **changes: Any) -> JsonObject:
        """Return an event of another type."""
        event = {
            "specversion": "1.0",
            "id": str(uuid7()),
            "source": self.source,
            "type": f"pinhole.{kind}.v1",
            "time": datetime.now(UTC).isoformat(),
            "data": data,
        }
        return {**event, **changes}

    def heartbeat(self, **changes: Any) -> JsonObject:
        """Return a heartbeat."""
        data = {"stream": str(self.stream), "last_seq": self.seq, "spool_depth": 3}
        return self.event("camera.status", {**data, **changes})

    def lost(self, first_seq: int, last_seq: int, **changes: Any) -> JsonObject:
        """Return the declaration that these seqs are lost."""
        data = {
            "stream": str(self.stream),
            "first_seq": first_seq,
            "last_seq": last_seq,
            "reason": "the disk was full",
        }
        return self.event("frame.lost", data, **changes)

    async def send(self, *events: JsonObject, **options: Any) -> Answer:
        """Post one event as itself, several as a batch."""
        body = json.dumps(events[0] if len(events) == 1 else list(events)).encode()
        kind = SINGLE_CONTENT_TYPE if len(events) == 1 else BATCH_CONTENT_TYPE
        return await self.post(body, options.pop("content_type", kind), **options)

    async def post(
        self,
        body: bytes,
        content_type: str = SINGLE_CONTENT_TYPE,
        *,
        at: datetime | None = None,
        message_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Post any bytes, signed."""
        signed = self.signer.headers(
            body, message_id or f"msg_{uuid4().hex}", at or datetime.now(UTC)
        )
        async with self.client.post(
            f"{self.base}/api/v1/events",
            data=body,
            headers={**signed, "Content-Type": content_type, **(headers or {})},
        ) as response:
            return Answer(response.status, await response.json(), response.headers)

    async def push(self, data: bytes, **headers: str) -> Answer:
        """Push bytes, signed."""
        signed = self.signer.headers(data, f"msg_{uuid4().hex}", datetime.now(UTC))
        async with self.client.post(
            f"{self.base}/api/v1/blocks",
            data=io.BytesIO(data),
            headers={**signed, "Pinhole-Source": self.source, **headers},
        ) as response:
            return Answer(response.status, await response.json(), response.headers)


async def enrolled(
    pool: Pool,
    client: Poster,
    name: str = "gate",
    *,
    signer: Ed25519Signer | HmacKey | None = None,
    site: str = "city",
) -> Sender:
    """Enrol a camera and return it as a sender."""
    signer = signer or Ed25519Signer.generate()
    if isinstance(signer, HmacKey):
        enrolment = Enrolment(site, name, hmac_keys=(signer,))
    else:
        enrolment = Enrolment(site, name, public_keys=(signer.public,))
    camera_id = await cameras.enrol(pool, enrolment)
    return Sender(client, signer, site, name, camera_id)


async def rows(pool: Pool, query: str, *values: object) -> Sequence[JsonObject]:
    """Return the rows of a query as dictionaries."""
    return [dict(row) for row in await pool.fetch(query, *values)]


async def count(pool: Pool, query: str, *values: object) -> int:
    """Return the number that a query counts."""
    number: int = await pool.fetchval(query, *values)
    return number
