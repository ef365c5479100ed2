"""Pictures for the tests, good and bad, as a camera or an attacker would send them."""

import struct
import zlib

import cv2
import numpy as np

from yolo_fetcher.letterbox import Pixels

HTML = b"<!DOCTYPE html><html><body><script>alert(1)</script></body></html>"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
GIF = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01;"


def encoded(picture: Pixels, suffix: str = ".jpg") -> bytes:
    """Return `picture` as a file of that type."""
    done, data = cv2.imencode(suffix, picture)
    assert done
    return data.tobytes()


def decoded(data: bytes) -> Pixels:
    """Return a file's picture as OpenCV decodes it whole, its orientation ignored."""
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    assert picture is not None
    return np.asarray(picture, np.uint8)


def noise(width_px: int, height_px: int, seed: int = 0) -> Pixels:
    """Return a picture that no two seeds share."""
    generator = np.random.default_rng(seed)
    small = generator.integers(0, 256, (max(1, height_px // 16), max(1, width_px // 16), 3))
    picture = cv2.resize(small.astype(np.uint8), (width_px, height_px))
    return np.asarray(picture, np.uint8)


def with_size(jpeg: bytes, width_px: int, height_px: int) -> bytes:
    """Return the JPEG with another size in its frame header: a bomb, where that is large."""
    at = jpeg.index(b"\xff\xc0")
    return jpeg[: at + 5] + struct.pack(">HH", height_px, width_px) + jpeg[at + 9 :]


def png_bomb(width_px: int, height_px: int) -> bytes:
    """Return a PNG of one colour that is small as a file and large as a picture."""
    rows = zlib.compressobj(9)
    line = bytes(1 + (width_px + 7) // 8)
    content = b"".join(rows.compress(line) for _ in range(height_px)) + rows.flush()
    header = struct.pack(">IIBBBBB", width_px, height_px, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", content)
        + _chunk(b"IEND", b"")
    )


def with_exif(jpeg: bytes, orientation: int) -> bytes:
    """Return the JPEG with an EXIF segment that holds an orientation."""
    tiff = b"MM\x00*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    segment = b"Exif\x00\x00" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]


def _chunk(name: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )
