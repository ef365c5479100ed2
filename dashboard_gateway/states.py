"""The two states of a frame, which move independently (blueprint §1)."""

from enum import StrEnum


class BytesState(StrEnum):
    """Where a frame's bytes are."""

    AWAITED = "awaited"
    """The hub does not have them yet."""
    PINNED = "pinned"
    MISSING = "missing"
    """The hub could not get them; the camera is asked to push them."""
    ARCHIVED = "archived"
    RELEASED = "released"
    ERASED = "erased"
    LOST = "lost"
    """The camera says that they are gone."""
    INVALID = "invalid"
    """Too large, or not what was promised."""


class AnalysisState(StrEnum):
    """How far the detector is with a frame."""

    WAITING = "waiting"
    DETECTED = "detected"
    INVALID = "invalid"
    """The bytes are no picture."""
    FAILED = "failed"
    """Given up: visible, and to be tried again by hand."""
