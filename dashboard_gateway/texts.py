"""Texts of others on their way into PostgreSQL."""

from typing import Final

MAX_DETAILS_LENGTH: Final = 500


def storable(text: str) -> str:
    """Return `text` cut to 500 characters, without what PostgreSQL or UTF-8 refuse."""
    encoded = text[:MAX_DETAILS_LENGTH].encode("utf-8", "backslashreplace")
    return encoded.decode().replace("\0", "\\0")


def holds_nul(value: object) -> bool:
    """Whether a JSON value holds U+0000, which PostgreSQL's text cannot."""
    match value:
        case str():
            return "\0" in value
        case dict():
            return any(holds_nul(part) for pair in value.items() for part in pair)
        case list() | tuple():
            return any(map(holds_nul, value))
        case _:
            return False
