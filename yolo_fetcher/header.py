"""What a picture says about itself before anything is decoded: its type and its size.

Types come from the bytes, never from a name or a Content-Type. Only three formats ever reach the
decoder, and a picture's pixels are counted here, so a bomb of 30,000 x 30,000 costs microseconds
(decoding one took 10.7 s and 2.7 GB).
"""

import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NoReturn

from pinhole.contract.errors import Unprocessable

_JPEG_START: Final = b"\xff\xd8\xff"
_JPEG_END: Final = b"\xff\xd9"
_PNG_START: Final = b"\x89PNG\r\n\x1a\n"
_SHOWN_BYTES: Final = 16

_MARKER: Final = 0xFF
_START_OF_SCAN: Final = 0xDA
_END_OF_IMAGE: Final = 0xD9
_STANDALONE: Final = frozenset((0x01, *range(0xD0, 0xD9)))
# Start-of-frame markers; C4, C8 and CC in the same range are tables (ITU-T T.81, table B.1).
_START_OF_FRAME: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# A progressive JPEG has about ten scans. Each costs a pass over all pixels, so 5 MB of scans keep
# a core busy for minutes (libjpeg-turbo, "Two issues with the JPEG standard").
_MAX_SCANS: Final = 100


class NotAPicture(Unprocessable):
    """The bytes cannot be decoded as a picture; the frame is invalid, not late."""

    reason = "NOT_AN_IMAGE"


class MediaType(StrEnum):
    """The formats that are decoded."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    WEBP = "image/webp"


@dataclass(frozen=True, slots=True)
class Header:
    """A picture's type and size as its first bytes state them, in pixels of the stored grid."""

    media_type: MediaType
    width_px: int
    height_px: int


def read_header(data: bytes) -> Header:
    """Return what the picture's own header says; nothing is decoded.

    Raises:
        NotAPicture: reason EMPTY (no bytes), NOT_AN_IMAGE (another format, whatever its name),
            TRUNCATED (its end is missing) or MALFORMED (the header contradicts its format).
    """
    if not data:
        raise NotAPicture("the picture has 0 bytes", reason="EMPTY")
    try:
        header = _parse(data)
    except (struct.error, IndexError):
        raise NotAPicture(
            f"the picture ends inside its header, after {len(data)} bytes", reason="TRUNCATED"
        ) from None
    if not header.width_px or not header.height_px:
        raise NotAPicture(
            f"the header states {header.width_px}x{header.height_px} pixels", reason="MALFORMED"
        )
    return header


def _parse(data: bytes) -> Header:
    if data.startswith(_JPEG_START):
        return _parse_jpeg(data)
    if data.startswith(_PNG_START):
        return _parse_png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _parse_webp(data)
    raise NotAPicture(
        f"the bytes begin with {data[:_SHOWN_BYTES]!r}; JPEG, PNG and WebP are decoded"
    )


def _parse_jpeg(data: bytes) -> Header:
    """Walk the segments up to the first scan. Source: ITU-T T.81, annex B."""
    size: tuple[int, int] | None = None
    at = 2
    while True:
        if data[at] != _MARKER:
            _malformed(f"JPEG: byte {at} should begin a marker and is 0x{data[at]:02x}")
        marker = data[at + 1]
        if marker == _MARKER:  # a fill byte
            at += 1
        elif marker in _STANDALONE:
            at += 2
        elif marker in (_START_OF_SCAN, _END_OF_IMAGE):
            break
        else:
            if marker in _START_OF_FRAME and size is None:
                height_px, width_px = struct.unpack_from(">HH", data, at + 5)
                size = (width_px, height_px)
            at += 2 + max(2, struct.unpack_from(">H", data, at + 2)[0])
    if size is None:
        _malformed("JPEG: no frame header comes before the first scan")
    _check_scans(data, at)
    return Header(MediaType.JPEG, *size)


def _check_scans(data: bytes, first_scan: int) -> None:
    # Inside scans 0xFF is followed by 0x00 or a restart marker only, so a search is exact there;
    # before them it would find the end of an embedded thumbnail.
    if data.find(_JPEG_END, first_scan) < 0:
        raise NotAPicture(
            f"JPEG: the end marker is missing after {len(data)} bytes", reason="TRUNCATED"
        )
    scans = data.count(b"\xff\xda", first_scan)
    if scans > _MAX_SCANS:
        _malformed(f"JPEG: {scans} scans, at most {_MAX_SCANS} are decoded")


def _parse_png(data: bytes) -> Header:
    """Read IHDR and look for IEND. Source: PNG specification (third edition), 5.3 and 11.2."""
    width_px, height_px = struct.unpack_from(">II", data, 16)
    if data[12:16] != b"IHDR":
        _malformed(f"PNG: the first chunk is {data[12:16]!r}, not IHDR")
    if data.find(b"IEND", 16) < 0:
        raise NotAPicture(
            f"PNG: the end chunk is missing after {len(data)} bytes", reason="TRUNCATED"
        )
    return Header(MediaType.PNG, width_px, height_px)


def _parse_webp(data: bytes) -> Header:
    """Read the first chunk. Source: RFC 9649, 2.4 to 2.7."""
    stated_bytes = struct.unpack_from("<I", data, 4)[0] + 8
    if stated_bytes > len(data):
        raise NotAPicture(
            f"WebP: {stated_bytes} bytes were announced and {len(data)} came", reason="TRUNCATED"
        )
    chunk = data[12:16]
    if chunk == b"VP8 ":
        width_px, height_px = struct.unpack_from("<HH", data, 26)
        return Header(MediaType.WEBP, width_px & 0x3FFF, height_px & 0x3FFF)
    if chunk == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return Header(MediaType.WEBP, (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if chunk == b"VP8X":
        low_w, high_w, low_h, high_h = struct.unpack_from("<HBHB", data, 24)
        return Header(MediaType.WEBP, (high_w << 16 | low_w) + 1, (high_h << 16 | low_h) + 1)
    return _malformed(f"WebP: the first chunk is {chunk!r}")


def _malformed(details: str) -> NoReturn:
    raise NotAPicture(details, reason="MALFORMED")
