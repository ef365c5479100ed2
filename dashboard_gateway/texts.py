"""Texts of others on their way into PostgreSQL."""

from typing import Final

MAX_DETAILS_LENGTH: Final = 500


def storable(text: str) -> str:
    """Return `text` cut to 500 characters, without what PostgreSQL or UTF-8 refuse."""
    encoded = text[:MAX_DETAILS_LENGTH].encode("utf-8", "backslashreplace")
    return encoded.decode().replace("\0", "\\0")
