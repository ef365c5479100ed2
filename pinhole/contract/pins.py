"""Pins: the IPFS Pinning Service API 1.0.0 in its own words, and Pinhole's extensions.

Source: the IPFS Pinning Service API specification, version 1.0.0.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

from pinhole.contract.cid import Cid
from pinhole.contract.event import Sha256Hex
from pinhole.contract.ids import Name
from pinhole.contract.message import Message, Reply

MAX_BATCH_PINS = 500
MAX_META_KEYS = 1000
MAX_NAME_LENGTH = 255


def _to_the_microsecond(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


Created = Annotated[
    AwareDatetime,
    AfterValidator(lambda instant: instant.astimezone(UTC)),
    PlainSerializer(_to_the_microsecond, when_used="json"),
]
"""When a pin was asked for, to the microsecond: unique per client, since `before` pages by it."""


class Status(StrEnum):
    """How far a pin is."""

    QUEUED = "queued"
    PINNING = "pinning"
    PINNED = "pinned"
    FAILED = "failed"


class _Psa(BaseModel):
    # The specification lets clients send fields of later versions: ignore, do not refuse.
    model_config = ConfigDict(frozen=True, extra="ignore")


class Pin(_Psa):
    """What a client wants pinned. `cid` is text here: the service refuses what it cannot hold."""

    cid: str = Field(min_length=1, max_length=256)
    name: str | None = Field(default=None, max_length=MAX_NAME_LENGTH)
    origins: list[Annotated[str, Field(max_length=512)]] = Field(default=[], max_length=20)
    meta: dict[str, str] = Field(default={}, max_length=MAX_META_KEYS)


class PinStatus(_Psa):
    """A pin with its identity and state."""

    requestid: str
    status: Status
    created: Created
    pin: Pin
    delegates: list[str]
    info: dict[str, str] = {}


class PinResults(_Psa):
    """A page of pins; `count` is the total that matches."""

    count: int
    results: list[PinStatus]


class BatchPin(Message):
    """One pin of a batch."""

    cid: Cid
    name: str | None = Field(default=None, max_length=MAX_NAME_LENGTH)
    size_bytes: int | None = Field(default=None, ge=1)
    meta: dict[str, str] = Field(default={}, max_length=MAX_META_KEYS)


class BatchPinRequest(Message):
    """Many pins in one call, all from the same camera (or of the caller's own, without one).

    Pinning fetches from the addresses that it has for `camera` in its own table, never from
    anything in this message.
    """

    camera: Name | None = None
    site: Name | None = None
    pins: list[BatchPin] = Field(min_length=1, max_length=MAX_BATCH_PINS)


class BatchPinResult(Message):
    """How one pin of a batch stands when the answer is given."""

    cid: Cid
    requestid: str
    status: Status
    reason: str | None = None
    """Machine word where status is `failed`, or why it is still being tried."""
    details: str | None = None
    retryable: bool | None = None


class BatchPinResults(Message):
    """One result per pin, in the order asked."""

    results: list[BatchPinResult]


class BlockStored(Reply):
    """The answer to `POST /api/v1/blocks`."""

    cid: Cid
    sha256: Sha256Hex
    size_bytes: int
    duplicate: bool
    """Whether this owner had stored the same bytes before (never tells of other owners)."""


class Origin(Message):
    """Where a camera's blocks can be fetched; set by enrolment, inside allowed networks."""

    peer_id: str | None = Field(default=None, max_length=128)
    gateway_url: str | None = Field(default=None, max_length=300)
    """The camera's trustless gateway, `http://10.x.y.z:port`, on the VPN."""
    addresses: list[Annotated[str, Field(max_length=300)]] = Field(default=[], max_length=16)
    """Multiaddresses for bitswap, without the peer id."""
