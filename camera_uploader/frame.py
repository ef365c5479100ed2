"""What travels through the camera: a shot as the source made it, a frame as it is stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from pinhole.contract.cid import Cid
from pinhole.contract.event import AttributeValue

Pixels = npt.NDArray[np.uint8]
"""A picture in memory: shape (height, width, 3), blue-green-red, 0 to 255."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A source's memory of one of its items, kept in the same commit as the item's frame.

    `item` is a file's name as bytes (names need not be UTF-8); `version` changes when the item
    does. A source asks for its marks when it starts, and so takes nothing twice.
    """

    source: str
    item: bytes
    version: str


class RefusalReason(StrEnum):
    """Why a picture did not become a frame."""

    EMPTY = "EMPTY"
    NOT_AN_IMAGE = "NOT_AN_IMAGE"
    INCOMPLETE = "INCOMPLETE"
    TOO_LARGE = "TOO_LARGE"
    UNREADABLE = "UNREADABLE"
    NOT_ENCODED = "NOT_ENCODED"
    NODE_UNAVAILABLE = "NODE_UNAVAILABLE"
    NO_EVENT = "NO_EVENT"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A picture that was not taken, and why: one sentence with the value seen and the limit."""

    reason: RefusalReason
    details: str
    at: datetime
    mark: Mark | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelShot:
    """A picture that exists as pixels only: of a video, a device, a renderer.

    The pixels are valid until the source is asked for its next shot.
    """

    pixels: Pixels
    captured_at: datetime
    mark: Mark | None = None
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileShot:
    """A picture that came encoded; its bytes are the frame, untouched."""

    data: bytes
    captured_at: datetime
    mark: Mark | None = None
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)


Shot = PixelShot | FileShot


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A picture as it is stored: the bytes that the CID names, and what is known of them."""

    data: bytes = field(repr=False)
    cid: Cid
    media_type: str
    width_px: int
    height_px: int
    captured_at: datetime
    mark: Mark | None = None
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)


def printable(name: bytes) -> str:
    """Return a file's name for people and logs: every byte that is not plain text is escaped."""
    text = name.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shape(pixels: Any) -> tuple[int, int]:  # noqa: ANN401 - what a driver returned is not certain
    """Return (width_px, height_px) of pixels."""
    height_px, width_px = pixels.shape[:2]
    return int(width_px), int(height_px)
