"""What policies decide on, read from a pin's `meta` into typed values.

`classes` is a list with commas (`car,license_plate`), `max_confidence` a number from 0 to 1.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from pinhole.contract.owners import Owner

_LONGEST_WAY: Final = timedelta(days=30)
"""Between a frame's event and its pin: as long as a camera may keep the bytes."""


@dataclass(frozen=True)
class Facts:
    """The typed columns beside `meta`. What is absent or unreadable is None: `meta` keeps it."""

    site: str | None = None
    camera: str | None = None
    city: str | None = None
    event_id: str | None = None
    kind: str | None = None
    label_status: str | None = None
    captured_at: datetime | None = None
    completed_at: datetime | None = None
    """When the job that the pin belongs to was completed."""
    uploaded_at: datetime | None = None
    """When the hub heard of the frame, where that was before the pin was asked for."""
    classes: tuple[str, ...] = ()
    max_confidence: float | None = None

    @classmethod
    def of(cls, owner: Owner, meta: Mapping[str, str]) -> "Facts":
        """Return the facts of a pin; for a camera's own pins the owner says site and camera."""
        site, camera = owner.as_camera or (meta.get("site_id"), meta.get("camera_id"))
        return cls(
            site=site,
            camera=camera,
            city=meta.get("city_id"),
            event_id=meta.get("event_id"),
            kind=meta.get("kind"),
            label_status=meta.get("label_status"),
            captured_at=_instant(meta.get("captured_at")),
            completed_at=_instant(meta.get("completed_at")),
            uploaded_at=_instant(meta.get("uploaded_at")),
            classes=_words(meta.get("classes", "")),
            max_confidence=_share(meta.get("max_confidence")),
        )

    def received_before(self, created_at: datetime) -> datetime | None:
        """Return when the hub heard of the frame, where that is believable for this pin.

        A pin is asked for after its frame came, by hours where the bytes were missing; who says
        that it will come is not believed, so nobody lengthens a retention by it.
        """
        heard_at = self.uploaded_at
        if heard_at is None or not created_at - _LONGEST_WAY <= heard_at <= created_at:
            return None
        return heard_at


def _instant(text: str | None) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    # An instant without a zone is ambiguous: policies must not guess.
    return instant.astimezone(UTC) if instant.tzinfo is not None else None


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for part in text.split(",") if (word := part.strip()))


def _share(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and 0 <= number <= 1 else None
