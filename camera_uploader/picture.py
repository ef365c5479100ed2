"""What encoded bytes are: decided from the bytes alone, never from a name, nothing decoded.

Reading the headers takes microseconds and no memory, whatever size a picture claims to have.
Source: ITU-T T.81 annex B (JPEG); PNG, second edition, §5 and §11; the WebP container
specification.
"""

import struct
from dataclasses import dataclass
from typing import Final

from pinhole.contract.event import MAX_SIDE_PX

_JPEG_START: Final = b"\xff\xd8\xff"
_JPEG_END: Final = b"\xff\xd9"
_PNG_START: Final = b"\x89PNG\r\n\x1a\n"
_PNG_END: Final = b"IEND\xaeB`\x82"
# Start-of-frame markers: C0 to CF without DHT (C4), JPG (C8) and DAC (CC).
_SOF: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Markers that stand alone, without a length: TEM, RST0 to RST7, SOI.
_BARE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_SOS: Final = 0xDA
_EOI: Final = 0xD9
_WEBP_HEAD_BYTES: Final = 30
_PNG_HEAD_BYTES: Final = 33


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture's type and size; `complete` where its last marker is there."""

    media_type: str
    width_px: int
    height_px: int
    complete: bool


def read(data: bytes) -> Picture | None:
    """Return what `data` is, or None where it is no JPEG, PNG or WebP.

    A header that is cut off before the size counts as an incomplete picture of 0 x 0.
    """
    if data.startswith(_JPEG_START) or (data and _JPEG_START.startswith(data)):
        return _jpeg(data)
    if data.startswith(_PNG_START):
        return _png(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(data)
    return None


def _sized(media_type: str, size: tuple[int, int], *, complete: bool) -> Picture | None:
    width_px, height_px = size
    if not (0 < width_px <= MAX_SIDE_PX and 0 < height_px <= MAX_SIDE_PX):
        return None
    return Picture(media_type, width_px, height_px, complete)


def _jpeg(data: bytes) -> Picture | None:
    size: tuple[int, int] | None = None
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:  # noqa: PLR2004 - every marker begins with it
            return None
        marker = data[position + 1]
        if marker == 0xFF:  # noqa: PLR2004 - fill bytes may precede a marker
            position += 1
            continue
        if marker in _BARE:
            position += 2
            continue
        if marker == _EOI:
            return None
        (length,) = struct.unpack_from(">H", data, position + 2)
        if marker in _SOF and position + 9 <= len(data):
            height_px, width_px = struct.unpack_from(">HH", data, position + 5)
            size = (width_px, height_px)
        position += 2 + length
        if marker == _SOS:
            break
    else:
        return Picture("image/jpeg", *(size or (0, 0)), complete=False)
    if size is None:
        return None
    # Inside entropy-coded data FF is followed by 00 or RSTn, so FF D9 is the end; what some
    # cameras append after it (previews, video) is theirs to keep.
    return _sized("image/jpeg", size, complete=data.find(_JPEG_END, position) >= 0)


def _png(data: bytes) -> Picture | None:
    if len(data) < _PNG_HEAD_BYTES:
        return Picture("image/png", 0, 0, complete=False)
    if data[12:16] != b"IHDR":
        return None
    width_px, height_px = struct.unpack_from(">II", data, 16)
    return _sized("image/png", (width_px, height_px), complete=_PNG_END in data[-64:])


def _webp(data: bytes) -> Picture | None:
    if len(data) < _WEBP_HEAD_BYTES:
        return Picture("image/webp", 0, 0, complete=False)
    (riff_bytes,) = struct.unpack_from("<I", data, 4)
    match data[12:16]:
        case b"VP8X":
            size = (_uint24(data, 24) + 1, _uint24(data, 27) + 1)
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", data, 21)
            size = ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
        case b"VP8 ":
            width_px, height_px = struct.unpack_from("<HH", data, 26)
            size = (width_px & 0x3FFF, height_px & 0x3FFF)
        case _:
            return None
    return _sized("image/webp", size, complete=len(data) >= riff_bytes + 8)


def _uint24(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 3], "little")
