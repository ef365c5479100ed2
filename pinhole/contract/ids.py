"""Identities: names of sites and cameras, and time-ordered UUIDs."""

import re
from typing import Annotated, Final, NewType
from uuid import UUID

import uuid6
from pydantic import StringConstraints

SiteId = NewType("SiteId", str)
CameraId = NewType("CameraId", str)

NAME_PATTERN: Final = r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$"
"""Sites and cameras are DNS labels: safe in paths, host names, metrics and file names."""

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=63)]
_NAME: Final = re.compile(NAME_PATTERN)


def is_name(text: str) -> bool:
    """Whether `text` may name a site or a camera."""
    return _NAME.fullmatch(text) is not None


def uuid7() -> UUID:
    """Return a new UUIDv7: sorted by the millisecond it was made in. Source: RFC 9562 §5.7."""
    return uuid6.uuid7()
