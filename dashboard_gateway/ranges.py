"""`Range` and the conditional headers of a picture. Source: RFC 9110 §13 and §14."""

import re
from dataclasses import dataclass
from typing import Final

_SINGLE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True)
class ByteRange:
    """Bytes `first` to `last`, both included, of a body of `total`."""

    first: int
    last: int
    total: int

    @property
    def content_range(self) -> str:
        """The value of Content-Range."""
        return f"bytes {self.first}-{self.last}/{self.total}"


class Unsatisfiable(ValueError):
    """No byte of the range lies in the body: 416."""


def parse_range(header: str | None, total: int) -> ByteRange | None:
    """Return the asked part of a body of `total` bytes, or None where the whole is to be sent.

    Several ranges, other units and nonsense are ignored, as the RFC allows.

    Raises:
        Unsatisfiable: the range begins behind the last byte, or asks for the last 0 bytes.
    """
    match = _SINGLE.fullmatch(header) if header else None
    if match is None:
        return None
    first_text, last_text = match.groups()
    if not first_text:
        return _suffix(last_text, total)
    first = int(first_text)
    last = min(int(last_text), total - 1) if last_text else total - 1
    if last_text and int(last_text) < first:
        return None
    if first >= total:
        raise Unsatisfiable(f"the picture has {total} bytes, byte {first} was asked for")
    return ByteRange(first, last, total)


def _suffix(last_text: str, total: int) -> ByteRange | None:
    if not last_text:
        return None
    count = min(int(last_text), total)
    if count == 0:
        raise Unsatisfiable("the last 0 bytes were asked for")
    return ByteRange(total - count, total - 1, total)


def etag_matches(header: str | None, etag: str) -> bool:
    """Whether `If-None-Match` names `etag` (weak comparison, as for GET) or any."""
    if header is None:
        return False
    if header.strip() == "*":
        return True
    return any(given.strip().removeprefix("W/") == etag for given in header.split(","))
