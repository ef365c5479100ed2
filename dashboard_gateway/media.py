"""The type of a picture, from its bytes alone: names and declared types are only claims.

Only pictures are ever served. HTML or SVG named .jpg is neither, and is refused with 415.
Source: WHATWG MIME Sniffing §6.1 (image signatures); ISO 23008-12 for the brands of AVIF.
"""

import struct
from typing import Final

from pinhole.contract.errors import Refused

Data = bytes | bytearray
"""A picture's bytes; those from the hub are in the buffer they were received in. Never changed."""

_BMP_HEADER_SIZES: Final = frozenset({12, 40, 52, 56, 64, 108, 124})
_BMP_MIN_BYTES: Final = 26
_AVIF_BRANDS: Final = (b"avif", b"avis")
_FTYP_MIN_BYTES: Final = 16
_FTYP_MAX_BYTES: Final = 256
_SIGNATURES: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


class NotAnImage(Refused):
    """The bytes are held and verified, and they are no picture."""

    reason = "NOT_AN_IMAGE"
    status = 415


def picture_type(data: Data) -> str | None:
    """Return the media type that the first bytes prove, or None where they are no picture."""
    for signature, media_type in _SIGNATURES:
        if data.startswith(signature):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if _is_avif(data):
        return "image/avif"
    if _is_bmp(data):
        return "image/bmp"
    return None


def _is_avif(data: Data) -> bool:
    if len(data) < _FTYP_MIN_BYTES or data[4:8] != b"ftyp":
        return False
    box_bytes = min(int.from_bytes(data[:4], "big"), _FTYP_MAX_BYTES)
    # The major brand, then (after the minor version) the compatible ones.
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, box_bytes, 4))]
    return any(brand in _AVIF_BRANDS for brand in brands)


def _is_bmp(data: Data) -> bool:
    # Two letters alone would make a picture of any text that starts with "BM".
    if len(data) < _BMP_MIN_BYTES or data[:2] != b"BM":
        return False
    pixels_at, header_bytes = struct.unpack_from("<II", data, 10)
    return header_bytes in _BMP_HEADER_SIZES and pixels_at <= len(data)
