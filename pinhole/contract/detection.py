"""Inference: what is asked of the detector and what it answers.

The field's words: `xyxy`, `confidence`, `class_id`, `class_name` (ultralytics, supervision).
"""

from typing import Annotated, Literal, Self

from pydantic import Field, PlainSerializer, model_validator

from pinhole.contract.cid import Cid
from pinhole.contract.event import Sha256Hex
from pinhole.contract.message import Message

MAX_BATCH_IMAGES = 64
MAX_CLASSES = 1024

Pixels = Annotated[
    float,
    Field(ge=0, allow_inf_nan=False),
    PlainSerializer(lambda value: round(value, 1), return_type=float, when_used="json"),
]
"""A coordinate in pixels of the stored frame; a tenth of a pixel on the wire."""
Confidence = Annotated[
    float,
    Field(ge=0, le=1, allow_inf_nan=False),
    PlainSerializer(lambda value: round(value, 4), return_type=float, when_used="json"),
]
Milliseconds = Annotated[
    float,
    Field(ge=0),
    PlainSerializer(lambda value: round(value, 2), return_type=float, when_used="json"),
]


class Detection(Message):
    """One object: its box in pixels of the stored frame, its class, and how sure the model is."""

    xyxy_px: tuple[Pixels, Pixels, Pixels, Pixels]
    """(x_min, y_min, x_max, y_max), origin at the top left of the stored frame as decoded."""
    confidence: Confidence
    class_id: int = Field(ge=0)
    class_name: str = Field(min_length=1, max_length=100)


class ModelId(Message):
    """Which model: the name people use and the SHA-256 of what was loaded."""

    name: str = Field(min_length=1, max_length=100)
    digest: Sha256Hex


class InferenceOptions(Message):
    """Parameters of one inference; part of the memo's key together with CID and model digest."""

    confidence: float = Field(default=0.25, ge=0, le=1)
    iou: float = Field(default=0.7, ge=0, le=1)
    """Overlap above which the lesser of two boxes goes; unused by end-to-end models (YOLO26)."""
    classes: list[int] | None = Field(default=None, max_length=MAX_CLASSES)
    model: str | None = Field(default=None, max_length=100)
    """Name or digest of a model in the catalogue; the service's default where absent."""
    annotated: bool = False
    """Also return a JPEG with the boxes drawn in. It is made for this answer and not stored."""


class InferenceRequest(InferenceOptions):
    """One picture, by reference or by value."""

    cid: Cid | None = None
    image: str | None = None
    """The picture as base64 or as a data URI (binary mode)."""

    @model_validator(mode="after")
    def _exactly_one_picture(self) -> Self:
        if (self.cid is None) == (self.image is None):
            raise ValueError("give exactly one of cid and image")
        return self

    @property
    def options(self) -> InferenceOptions:
        """The parameters without the picture."""
        return InferenceOptions(**{name: getattr(self, name) for name in _OPTION_NAMES})


_OPTION_NAMES = tuple(InferenceOptions.model_fields)


class Timings(Message):
    """Where the time of one inference went."""

    fetch: Milliseconds = 0
    decode: Milliseconds = 0
    infer: Milliseconds = 0


class InferenceAnswer(Message):
    """What the detector saw. At most 1 KB on the wire for five boxes."""

    detections: list[Detection]
    width_px: int
    height_px: int
    model: ModelId
    timings_ms: Timings
    cid: Cid | None = None
    image_hash: Sha256Hex | None = None
    """SHA-256 of the raw bytes; absent where they could not be stored (see `warning`)."""
    image_path: str | None = None
    """`ipfs://…`"""
    storage_mode: Literal["reference", "binary"]
    duplicate: bool | None = None
    cached: bool = False
    warning: str | None = None
    annotated: str | None = None
    """`data:image/jpeg;base64,…`, only where it was asked for."""


class InferenceBatchRequest(InferenceOptions):
    """Many stored frames with the same options."""

    cids: list[Cid] = Field(min_length=1, max_length=MAX_BATCH_IMAGES)

    @property
    def options(self) -> InferenceOptions:
        """The parameters without the pictures."""
        return InferenceOptions(**{name: getattr(self, name) for name in _OPTION_NAMES})


class InferenceFailure(Message):
    """Why one picture of a batch has no detections."""

    cid: Cid
    reason: str
    details: str
    retryable: bool


class InferenceBatchAnswer(Message):
    """One result per CID, in the order asked."""

    results: list[InferenceAnswer | InferenceFailure]
