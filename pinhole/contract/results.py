"""Results that an orchestrator posts: references and detections, never bytes."""

from typing import Literal, Self

from pydantic import Field, model_validator

from pinhole.contract.cid import Cid
from pinhole.contract.detection import Detection, ModelId
from pinhole.contract.event import AttributeName, AttributeValue, Sha256Hex
from pinhole.contract.ids import Name
from pinhole.contract.message import Instant, Message

MAX_DETECTIONS = 1000


class Result(Message):
    """A frame with detections that were made elsewhere; it becomes a frame like any other."""

    cid: Cid | None = None
    image_hash: Sha256Hex | None = None
    site: Name
    camera: Name
    captured_at: Instant
    storage_mode: Literal["reference", "binary"]
    size_bytes: int | None = Field(default=None, ge=1)
    width_px: int = Field(ge=1)
    height_px: int = Field(ge=1)
    detections: list[Detection] = Field(max_length=MAX_DETECTIONS)
    model: ModelId
    attributes: dict[AttributeName, AttributeValue] = Field(default={}, max_length=64)

    @model_validator(mode="after")
    def _one_picture(self) -> Self:
        if self.cid is None and self.image_hash is None:
            raise ValueError("give cid or image_hash")
        if self.cid and not self.cid.is_frame and self.image_hash is None:
            raise ValueError("a tree's CID is not its picture's hash: give image_hash as well")
        if self.cid and self.cid.is_frame and self.image_hash not in (None, self.cid.sha256):
            raise ValueError("cid and image_hash are not the same picture")
        return self

    @property
    def frame_cid(self) -> Cid:
        """The picture's CID, whichever way it was named."""
        if self.cid is not None:
            return self.cid
        return Cid.from_sha256(self.image_hash or "")


class ResultStored(Message):
    """The answer to `POST /api/v1/results`."""

    frame_id: int
    cid: Cid
    duplicate: bool
