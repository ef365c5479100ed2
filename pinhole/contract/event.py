"""Camera events: CloudEvents 1.0 in JSON, chained by (stream, seq, prev).

Source: CloudEvents 1.0.2 JSON format; RFC 8785 for the canonical form that `prev` hashes.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

import rfc8785
from pydantic import (
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid
from pinhole.contract.errors import Unprocessable
from pinhole.contract.ids import NAME_PATTERN, CameraId, SiteId
from pinhole.contract.message import Instant, Message

SINGLE_CONTENT_TYPE: Final = "application/cloudevents+json"
BATCH_CONTENT_TYPE: Final = "application/cloudevents-batch+json"
MAX_BATCH_EVENTS: Final = 500
MAX_ATTRIBUTES_BYTES: Final = 1024
MAX_SEQ: Final = 2**53 - 1  # the largest integer that RFC 8785 can write
_MAX_SAFE_INTEGER: Final = 2**53 - 1  # RFC 8785: beyond it numbers are not exact
MAX_SIDE_PX: Final = 65_535  # JPEG's own limit

Source = Annotated[
    str,
    StringConstraints(
        max_length=160,
        pattern=rf"^/sites/{NAME_PATTERN[1:-1]}/cameras/{NAME_PATTERN[1:-1]}$",
    ),
]
Sha256Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Seq = Annotated[int, Field(ge=1, le=MAX_SEQ, strict=True)]
MediaType = Annotated[str, StringConstraints(pattern=r"^image/[a-z0-9.+-]{1,40}$")]
AttributeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
AttributeValue = str | bool | int | float | None


class MalformedEvent(Unprocessable):
    """The JSON is no camera event; `details` names the field."""

    reason = "MALFORMED_EVENT"


class FrameData(Message):
    """What is known of a captured frame beside its bytes."""

    stream: UUID | None = None
    seq: Seq | None = None
    prev: Sha256Hex | None = None
    """SHA-256 of the canonical form of the stream's previous event; absent for seq 1."""
    size_bytes: int = Field(ge=1, le=MAX_BLOCK_BYTES, strict=True)
    media_type: MediaType = "image/jpeg"
    width_px: int | None = Field(default=None, ge=1, le=MAX_SIDE_PX, strict=True)
    height_px: int | None = Field(default=None, ge=1, le=MAX_SIDE_PX, strict=True)
    clock_offset_ms: int | None = Field(default=None, strict=True)
    """The hub's clock minus the camera's, as the camera last learnt it."""
    attributes: dict[AttributeName, AttributeValue] = Field(default_factory=dict, max_length=64)

    @field_validator("attributes")
    @classmethod
    def _attributes_are_small(
        cls, attributes: dict[str, AttributeValue]
    ) -> dict[str, AttributeValue]:
        size_bytes = len(json.dumps(attributes, ensure_ascii=False).encode("utf-8", "replace"))
        if size_bytes > MAX_ATTRIBUTES_BYTES:
            raise ValueError(f"attributes are {size_bytes} bytes, the limit is 1024")
        return attributes

    @model_validator(mode="after")
    def _chain_is_whole(self) -> Self:
        if (self.stream is None) != (self.seq is None):
            raise ValueError("stream and seq come together or not at all")
        if self.stream is None and self.prev is not None:
            raise ValueError("prev has no meaning without stream and seq")
        if self.seq is not None and (self.seq == 1) != (self.prev is None):
            raise ValueError("prev is absent for seq 1 and required after it")
        return self


class StatusData(Message):
    """A heartbeat: how the camera node is."""

    stream: UUID
    last_seq: int = Field(ge=0, le=MAX_SEQ)
    spool_depth: int = Field(ge=0)
    oldest_unsent_at: Instant | None = None
    disk_free_bytes: int | None = Field(default=None, ge=0)
    disk_total_bytes: int | None = Field(default=None, ge=0)
    peer_id: str | None = Field(default=None, max_length=128)
    last_capture_at: Instant | None = None
    duplicates: int = Field(default=0, ge=0)
    refused: int = Field(default=0, ge=0)
    versions: dict[str, str] = Field(default_factory=dict, max_length=16)
    states: dict[str, str] = Field(default_factory=dict, max_length=32)


class LostData(Message):
    """Frames of a stream whose bytes or events no longer exist, and why."""

    stream: UUID
    first_seq: Seq
    last_seq: Seq
    reason: str = Field(min_length=1, max_length=200)

    @model_validator(mode="after")
    def _range_is_ordered(self) -> Self:
        if self.last_seq < self.first_seq:
            raise ValueError(f"last_seq {self.last_seq} is before first_seq {self.first_seq}")
        return self


class ErasedData(Message):
    """Blocks that the camera removed and verified absent."""

    cids: list[Cid] = Field(min_length=1, max_length=MAX_BATCH_EVENTS)


class _CloudEvent(Message):
    specversion: Literal["1.0"] = "1.0"
    id: UUID
    source: Source
    time: Instant
    datacontenttype: Literal["application/json"] | None = None

    @property
    def site(self) -> SiteId:
        """The site in `source`."""
        return camera_of(self.source)[0]

    @property
    def camera(self) -> CameraId:
        """The camera in `source`."""
        return camera_of(self.source)[1]


class FrameCaptured(_CloudEvent):
    """A frame was captured and is held, under its CID, by the camera's node."""

    type: Literal["pinhole.frame.captured.v1"] = "pinhole.frame.captured.v1"
    subject: Cid
    data: FrameData

    @field_validator("subject")
    @classmethod
    def _subject_is_one_block(cls, subject: Cid) -> Cid:
        if not subject.is_frame:
            raise ValueError("CID_CODEC: a frame is one raw block; dag-pb is for uploads")
        return subject


class CameraStatus(_CloudEvent):
    """A heartbeat."""

    type: Literal["pinhole.camera.status.v1"] = "pinhole.camera.status.v1"
    data: StatusData


class FrameLost(_CloudEvent):
    """The camera declares a range of its stream as lost."""

    type: Literal["pinhole.frame.lost.v1"] = "pinhole.frame.lost.v1"
    data: LostData


class FrameErased(_CloudEvent):
    """The camera confirms an erasure."""

    type: Literal["pinhole.frame.erased.v1"] = "pinhole.frame.erased.v1"
    data: ErasedData


CameraEvent = FrameCaptured | CameraStatus | FrameLost | FrameErased
_EVENT: Final[TypeAdapter[CameraEvent]] = TypeAdapter(
    Annotated[CameraEvent, Field(discriminator="type")]
)


def parse_event(received: Any) -> CameraEvent:  # noqa: ANN401 - JSON may be anything
    """Return the event that the JSON value `received` is.

    Raises:
        MalformedEvent: it is none; reason MALFORMED_EVENT, or CID_CODEC, CID_HASH, CID_MALFORMED
            where the subject is at fault.
    """
    try:
        # `received` came from JSON: UUIDs and instants are text, as in JSON mode.
        return _EVENT.validate_python(received)
    except ValidationError as error:
        raise _malformed(error) from error


def _malformed(error: ValidationError) -> MalformedEvent:
    first = error.errors(include_url=False, include_input=False)[0]
    # Drop the discriminator's own step ("pinhole.frame.captured.v1") from the path.
    path = ".".join(str(step) for step in first["loc"] if not str(step).startswith("pinhole."))
    message = first["msg"].removeprefix("Value error, ")
    word = message.split(":", 1)[0]
    reason = word if word in {"CID_CODEC", "CID_HASH", "CID_MALFORMED"} else None
    return MalformedEvent(f"{path or 'event'}: {message}", reason=reason)


def source_of(site: str, camera: str) -> str:
    """Return the `source` of a camera's events."""
    return f"/sites/{site}/cameras/{camera}"


def camera_of(source: str) -> tuple[SiteId, CameraId]:
    """Return (site, camera) of a valid `source`."""
    _, _, site, _, camera = source.split("/")
    return SiteId(site), CameraId(camera)


def canonical(received: Mapping[str, Any]) -> bytes:
    """Return the canonical JSON of an event as it was sent. Source: RFC 8785.

    It takes the JSON object, not the model, so that what is hashed is what was signed.

    Raises:
        MalformedEvent: the object has no canonical form (a lone surrogate, an integer over 2^53).
    """
    try:
        if _is_plain(received):
            return _ENCODER.encode(received).encode()
        return rfc8785.dumps(dict(received))
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise MalformedEvent(f"the event has no canonical form: {error}") from error


# For what `_is_plain` says yes to, the C encoder writes RFC 8785 as well: 9 µs instead of 35 µs.
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _is_plain(value: object) -> bool:
    """Whether keys sort the same in UTF-8 and UTF-16, and every number is a safe whole one."""
    if isinstance(value, dict):
        return all(isinstance(k, str) and k.isascii() and _is_plain(v) for k, v in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, int):
        return -_MAX_SAFE_INTEGER <= value <= _MAX_SAFE_INTEGER
    return value is None or isinstance(value, str)


def digest(received: Mapping[str, Any]) -> bytes:
    """Return the 32-byte SHA-256 of the canonical form: the next event's `prev`."""
    return hashlib.sha256(canonical(received)).digest()


def as_sent(event: CameraEvent) -> dict[str, Any]:
    """Return the JSON object that a sender puts on the wire for `event`."""
    sent: dict[str, Any] = json.loads(event.wire())
    if not sent["data"].get("attributes", True):
        del sent["data"]["attributes"]
    return sent
