"""What encoded bytes are and how large the picture is: told from the first bytes, nothing decoded.

Names and declared types are only claims. Thirty bytes of header can promise 30,000 x 30,000 pixels
(2.7 GB decoded), so sizes are known before a decoder sees anything. Sources: ITU-T T.81 annex B
(JPEG), PNG third edition §5 and §11.2, RFC 9649 (WebP), GIF89a §18, Microsoft's BITMAPINFOHEADER,
ISO 23008-12 (`ispe` and the brands of AVIF), WHATWG MIME Sniffing §6.1 (signatures).
"""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NoReturn

from pinhole.contract.errors import Unprocessable

Data = bytes | bytearray
"""A picture's bytes; those from the hub are in the buffer they were received in. Never changed."""

Size = tuple[int, int]

_SHOWN_BYTES: Final = 16
_RIFF_HEAD_BYTES: Final = 12
_PNG_END: Final = b"IEND\xaeB`\x82"
_JPEG_END: Final = b"\xff\xd9"
# A marker is FF, perhaps more FF (fill bytes), and its code. Five megabytes of fill bytes take
# 4 ms; with backtracking (one + less) they would take 60, in a loop of ours 400.
_JPEG_MARKER: Final = re.compile(rb"\xff++([^\xff])", re.DOTALL)
# Start-of-frame markers: C0 to CF without DHT (C4), JPG (C8) and DAC (CC).
_JPEG_FRAME: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Markers that stand alone, without a length: TEM, RST0 to RST7, SOI.
_JPEG_ALONE: Final = frozenset((0x01, *range(0xD0, 0xD9)))
_JPEG_SCAN: Final = 0xDA
_JPEG_EOI: Final = 0xD9
# The most that precede a picture's first scan: an ICC profile has up to 255, EXIF and XMP a few.
_JPEG_MAX_SEGMENTS: Final = 4096
_BMP_HEADERS_BYTES: Final = frozenset((12, 40, 52, 56, 64, 108, 124))
_BMP_CORE_HEADER_BYTES: Final = 12
_BMP_MIN_BYTES: Final = 26
_AVIF_BRANDS: Final = (b"avif", b"avis")
_FTYP_MIN_BYTES: Final = 16
_FTYP_MAX_BYTES: Final = 256
_ISPE_WITHIN_BYTES: Final = 65_536


class NotAPicture(Unprocessable):
    """The bytes are no picture, or not a whole one; sent again they would be neither.

    Reasons: EMPTY (no bytes), NOT_AN_IMAGE (another format, whatever its name), TRUNCATED (they
    end too early) and MALFORMED (the header contradicts its format).
    """

    reason = "NOT_AN_IMAGE"


class MediaType(StrEnum):
    """The formats that are told from one another."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    WEBP = "image/webp"
    GIF = "image/gif"
    BMP = "image/bmp"
    AVIF = "image/avif"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's type and size as its header states them, in pixels of the stored grid."""

    media_type: MediaType
    width_px: int
    height_px: int


_SIGNATURES: Final = {
    b"\xff\xd8\xff": MediaType.JPEG,
    b"\x89PNG\r\n\x1a\n": MediaType.PNG,
    b"GIF87a": MediaType.GIF,
    b"GIF89a": MediaType.GIF,
}


def media_type_of(data: Data) -> MediaType | None:
    """Return the type that the first bytes prove, or None where they are no picture."""
    for signature, media_type in _SIGNATURES.items():
        if data.startswith(signature):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return MediaType.WEBP
    if _is_avif(data):
        return MediaType.AVIF
    if _is_bmp(data):
        return MediaType.BMP
    return None


def read_picture(data: Data) -> Picture:
    """Return what the header says; whether the rest is there, `is_whole` tells.

    Both sides are at least 1 pixel; no upper limit is applied.

    Raises:
        NotAPicture: see its reasons. Nothing else, whatever the bytes are.
    """
    if not data:
        raise NotAPicture("the picture has 0 bytes", reason="EMPTY")
    media_type = media_type_of(data)
    if media_type is None:
        _refuse_unknown(data)
    try:
        width_px, height_px = _SIZES[media_type](data)
    except (struct.error, IndexError):
        raise _truncated(f"the {media_type} ends inside its header, after {len(data)}") from None
    if not width_px or not height_px:
        _malformed(f"the header states {width_px}x{height_px} pixels")
    return Picture(media_type, width_px, height_px)


def is_whole(data: Data) -> bool:
    """Whether a JPEG, PNG or WebP has its end; what a camera appends after that is allowed.

    The other formats are never taken or decoded, only shown: their ends are not looked for.

    Raises:
        NotAPicture: MALFORMED, where no scan of a JPEG can be found.
    """
    match media_type_of(data):
        case MediaType.JPEG:
            first_scan = _first_scan(data)
            # Inside scans FF is followed by 00 or a restart marker only, so a search is exact
            # there; before them it would find the end of an embedded preview.
            return first_scan is not None and data.rfind(_JPEG_END, first_scan) >= 0
        case MediaType.PNG:
            return data.rfind(_PNG_END) >= 0
        case MediaType.WEBP:
            return len(data) >= int.from_bytes(data[4:8], "little") + 8
        case media_type:
            return media_type is not None


def jpeg_scans(data: Data) -> int:
    """Return how many scans a JPEG has: each costs its decoder a pass over all pixels.

    Raises:
        NotAPicture: MALFORMED, where no scan can be found.
    """
    first_scan = _first_scan(data)
    return 0 if first_scan is None else data.count(b"\xff\xda", first_scan)


def _refuse_unknown(data: Data) -> NoReturn:
    cut_off = any(signature.startswith(data) for signature in _SIGNATURES) or (
        data[:4] == b"RIFF" and len(data) < _RIFF_HEAD_BYTES
    )
    if cut_off:
        raise _truncated(f"the picture ends inside its signature, after {len(data)}")
    raise NotAPicture(f"the bytes begin with {bytes(data[:_SHOWN_BYTES])!r}, as no picture does")


def _truncated(where: str) -> NotAPicture:
    return NotAPicture(f"{where} bytes", reason="TRUNCATED")


def _malformed(details: str) -> NoReturn:
    raise NotAPicture(details, reason="MALFORMED")


def _jpeg_segments(data: Data) -> Iterator[tuple[int, int]]:
    """Yield (marker, offset behind the marker) up to the first scan, or to where the data end."""
    at = 2
    for _ in range(_JPEG_MAX_SEGMENTS):
        found = _JPEG_MARKER.match(data, at)
        if found is None:
            if data[at : at + 1] not in (b"", b"\xff"):
                _malformed(f"JPEG: byte {at} should begin a marker and is 0x{data[at]:02x}")
            return
        marker, at = found[1][0], found.end()
        yield marker, at
        if marker in (_JPEG_SCAN, _JPEG_EOI):
            return
        if marker in _JPEG_ALONE:
            continue
        if at + 2 > len(data):
            return
        (length,) = struct.unpack_from(">H", data, at)
        if length < 2:  # noqa: PLR2004 - a length counts its own two bytes
            _malformed(f"JPEG: the segment at byte {at} has a length of {length}")
        at += length
    _malformed(f"JPEG: more than {_JPEG_MAX_SEGMENTS} segments come before the first scan")


def _first_scan(data: Data) -> int | None:
    """Return the offset of the first start-of-scan marker, or None where the data end before."""
    for marker, at in _jpeg_segments(data):
        if marker == _JPEG_SCAN:
            return at - 2
        if marker == _JPEG_EOI:
            _malformed("JPEG: it ends before its first scan")
    return None


def _jpeg(data: Data) -> Size:
    for marker, at in _jpeg_segments(data):
        if marker in _JPEG_FRAME:
            height_px, width_px = struct.unpack_from(">HH", data, at + 3)
            return width_px, height_px
        if marker in (_JPEG_SCAN, _JPEG_EOI):
            _malformed("JPEG: no frame header comes before the first scan")
    raise _truncated(f"the JPEG ends before its frame header, after {len(data)}")


def _png(data: Data) -> Size:
    width_px, height_px = struct.unpack_from(">II", data, 16)
    if data[12:16] != b"IHDR":
        _malformed(f"PNG: the first chunk is {bytes(data[12:16])!r}, not IHDR")
    return width_px, height_px


def _webp(data: Data) -> Size:
    match bytes(data[12:16]):
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", data, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            low_w, high_w, low_h, high_h = struct.unpack_from("<HBHB", data, 24)
            return (high_w << 16 | low_w) + 1, (high_h << 16 | low_h) + 1
        case chunk if len(chunk) == 4:  # noqa: PLR2004 - a chunk's name
            _malformed(f"WebP: the first chunk is {chunk!r}")
    raise _truncated(f"the WebP ends inside its header, after {len(data)}")


def _gif(data: Data) -> Size:
    width_px, height_px = struct.unpack_from("<HH", data, 6)
    return width_px, height_px


def _bmp(data: Data) -> Size:
    if int.from_bytes(data[14:18], "little") == _BMP_CORE_HEADER_BYTES:
        width_px, height_px = struct.unpack_from("<HH", data, 18)
    else:
        width_px, height_px = struct.unpack_from("<ii", data, 18)
    return abs(width_px), abs(height_px)  # a negative height means rows from the top


def _avif(data: Data) -> Size:
    at = data.find(b"ispe", 0, _ISPE_WITHIN_BYTES)
    if at < 0:
        _malformed(f"AVIF: no size stands in the first {_ISPE_WITHIN_BYTES} bytes")
    width_px, height_px = struct.unpack_from(">II", data, at + 8)
    return width_px, height_px


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
    return header_bytes in _BMP_HEADERS_BYTES and pixels_at <= len(data)


_SIZES: Final[dict[MediaType, Callable[[Data], Size]]] = {
    MediaType.JPEG: _jpeg,
    MediaType.PNG: _png,
    MediaType.WEBP: _webp,
    MediaType.GIF: _gif,
    MediaType.BMP: _bmp,
    MediaType.AVIF: _avif,
}
