"""Pins: the IPFS Pinning Service API 1.0.0 in its own words, and Pinhole's extensions.

Source: the IPFS Pinning Service API specification, version 1.0.0.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    model_validator,
)

from pinhole.contract.cid import CID_SCHEMA, Cid
from pinhole.contract.event import Sha256Hex
from pinhole.contract.ids import Name
from pinhole.contract.message import Message, Reply

MAX_BATCH_PINS = 500
MAX_META_KEYS = 1000
MAX_NAME_LENGTH = 255
MAX_SIZE_BYTES = 2**53 - 1
"""What every JSON reader has as a whole number (RFC 8259 §6)."""


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

    cid: str = Field(min_length=1, max_length=256, json_schema_extra={**CID_SCHEMA})
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
    size_bytes: int | None = Field(default=None, ge=1, le=MAX_SIZE_BYTES)
    meta: dict[str, str] = Field(default={}, max_length=MAX_META_KEYS)


# A camera's name is unique in its site only: JSON Schema for "both or none".
_WHOLE_CAMERA: Final[dict[str, JsonValue]] = {
    "anyOf": [
        {
            "required": ["site", "camera"],
            "properties": {"site": {"type": "string"}, "camera": {"type": "string"}},
        },
        {"properties": {"site": {"type": "null"}, "camera": {"type": "null"}}},
    ]
}


class BatchPinRequest(Message):
    """Many pins in one call, all from the same camera (or of the caller's own, without one).

    Pinning fetches from the addresses that it has for `camera` in its own table, never from
    anything in this message.
    """

    model_config = ConfigDict(json_schema_extra=_WHOLE_CAMERA)

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


def _one_given(one: str, other: str) -> dict[str, JsonValue]:
    """Return the rule, as JSON Schema, that `one` is given and `other` is not."""
    return {
        "required": [one],
        "properties": {one: {"not": {"type": "null"}}, other: {"type": "null"}},
    }


class MetaPatch(Message):
    """Another `meta` for pins, which keep their requestid, instant and status.

    `merge` sets the keys that it has, removes those that it gives as null and leaves all others
    (RFC 7396). `replace` is the whole new `meta`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [_one_given("merge", "replace"), _one_given("replace", "merge")]
        }
    )

    requestids: list[UUID] = Field(min_length=1, max_length=MAX_BATCH_PINS)
    merge: dict[str, str | None] | None = Field(default=None, max_length=MAX_META_KEYS)
    replace: dict[str, str] | None = Field(default=None, max_length=MAX_META_KEYS)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.merge is None) == (self.replace is None):
            raise ValueError("give exactly one of merge and replace")
        return self

    @property
    def given(self) -> dict[str, str]:
        """What is set, by key; what is removed is left out."""
        given = (self.replace if self.replace is not None else self.merge) or {}
        return {key: value for key, value in given.items() if value is not None}

    def applied_to(self, meta: Mapping[str, str]) -> dict[str, str]:
        """Return what becomes of `meta`."""
        if self.merge is None:
            return self.given
        return {key: value for key, value in meta.items() if key not in self.merge} | self.given


class PatchMetaRequest(Message):
    """Another `meta` for many pins, all of the same camera (or of the caller's own).

    A pin that is named again is changed again, in the order asked.
    """

    model_config = ConfigDict(json_schema_extra=_WHOLE_CAMERA)

    camera: Name | None = None
    site: Name | None = None
    patches: list[MetaPatch] = Field(min_length=1, max_length=MAX_BATCH_PINS)

    @property
    def steps(self) -> list[tuple[UUID, MetaPatch]]:
        """Each requestid with its patch, in the order asked."""
        return [(requestid, patch) for patch in self.patches for requestid in patch.requestids]

    @model_validator(mode="after")
    def _not_too_many(self) -> Self:
        if len(self.steps) > MAX_BATCH_PINS:
            raise ValueError(f"{len(self.steps)} requestids, the limit is {MAX_BATCH_PINS}")
        return self


class PatchMetaResult(Message):
    """What became of one pin: changed, or not and why."""

    requestid: UUID
    changed: bool
    reason: str | None = None
    details: str | None = None


class PatchMetaResults(Message):
    """One result per requestid, in the order asked."""

    results: list[PatchMetaResult]


ClassName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^,\x00-\x1f]+$")]


class SeenFrame(Message):
    """What was seen in a frame, which is named as in the batch that pinned it."""

    cid: Cid
    event_id: UUID
    classes: list[ClassName] = Field(default=[], max_length=1000)
    max_confidence: float | None = Field(default=None, ge=0, le=1, strict=True)
    """Of the surest detection; none where nothing was seen."""


class SeenRequest(Message):
    """What was seen in many frames, all of the same camera (or of the caller's own)."""

    camera: Name | None = None
    site: Name | None = None
    frames: list[SeenFrame] = Field(min_length=1, max_length=MAX_BATCH_PINS)


class SeenResult(Message):
    """What became of it. A frame whose pin is gone is unknown, and that is no fault."""

    changed: int
    unknown: int


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
