"""Width and height from a picture's header, so that a bomb is refused before it is decoded.

Thirty bytes of header can promise 30,000 x 30,000 pixels: 2.7 GB decoded. Source: ITU-T T.81 §B.2.2
(JPEG frame header), PNG §11.2.2, the GIF89a, WebP and BMP formats, ISO 23008-12 (`ispe`).
"""

import struct
from collections.abc import Callable
from typing import Final

from dashboard_gateway.media import Data

Size = tuple[int, int]

# Frame headers of JPEG: C0 to CF without DHT (C4), JPG (C8) and DAC (CC).
_FRAME_MARKERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_STANDALONE_MARKERS: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_BMP_CORE_HEADER_BYTES: Final = 12
_ISPE_WITHIN_BYTES: Final = 65_536


def picture_size(data: Data, media_type: str) -> Size | None:
    """Return (width_px, height_px) as the header says, or None where it cannot be read."""
    try:
        return _READERS[media_type](data)
    except (struct.error, IndexError):
        return None


def _jpeg(data: Data) -> Size | None:
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:  # noqa: PLR2004 - every segment begins with FF
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # noqa: PLR2004 - fill bytes may precede a marker
            at += 1
            continue
        if marker in _STANDALONE_MARKERS:
            at += 2
            continue
        if marker in _FRAME_MARKERS:
            height_px, width_px = struct.unpack_from(">HH", data, at + 5)
            return width_px, height_px
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _png(data: Data) -> Size:
    width_px, height_px = struct.unpack_from(">II", data, 16)
    return width_px, height_px


def _gif(data: Data) -> Size:
    width_px, height_px = struct.unpack_from("<HH", data, 6)
    return width_px, height_px


def _bmp(data: Data) -> Size:
    if int.from_bytes(data[14:18], "little") == _BMP_CORE_HEADER_BYTES:
        width_px, height_px = struct.unpack_from("<HH", data, 18)
    else:
        width_px, height_px = struct.unpack_from("<ii", data, 18)
    return abs(width_px), abs(height_px)  # a negative height means rows from the top


def _webp(data: Data) -> Size | None:
    match data[12:16]:
        case b"VP8X":
            width_px, height_px = data[24:27], data[27:30]
            return (
                int.from_bytes(width_px, "little") + 1,
                int.from_bytes(height_px, "little") + 1,
            )
        case b"VP8L":
            bits = struct.unpack_from("<I", data, 21)[0]
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF
    return None


def _avif(data: Data) -> Size | None:
    at = data.find(b"ispe", 0, _ISPE_WITHIN_BYTES)
    if at < 0:
        return None
    width_px, height_px = struct.unpack_from(">II", data, at + 8)
    return width_px, height_px


_READERS: Final[dict[str, Callable[[Data], Size | None]]] = {
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/gif": _gif,
    "image/bmp": _bmp,
    "image/webp": _webp,
    "image/avif": _avif,
}
