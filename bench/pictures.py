"""Pictures of a wanted size, each different, all decodable: rendered scenes as JPEG."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camera_uploader.synthetic.render import Scene

Image = NDArray[np.uint8]
"""Shape (height, width, 3), BGR."""

_START = b"\xff\xd8"
_COMMENT = b"\xff\xfe"
_SEGMENT_LIMIT = 65_000


def rendered(
    count: int, *, width_px: int = 1280, height_px: int = 720, below_bytes: int = 190_000
) -> list[bytes]:
    """Return `count` frames of a street, half a second apart, as JPEGs below `below_bytes`."""
    scene = Scene("street", 7, width_px=width_px, height_px=height_px)
    return [_below(below_bytes, scene.frame(number / 2)[0]) for number in range(count)]


def _below(limit_bytes: int, pixels: Image) -> bytes:
    # The scenes have a sensor's noise, which costs bytes: 380 KB at quality 90.
    for quality in range(90, 0, -10):
        data = _jpeg(pixels, quality)
        if len(data) < limit_bytes:
            return data
    raise ValueError(f"no quality gives fewer than {limit_bytes} bytes")


def of_size(size_bytes: int, like: bytes) -> Iterator[bytes]:
    """Yield endless different JPEGs of exactly `size_bytes` that show what `like` does.

    The difference and the size are in comment segments, which every decoder skips: a rendered
    frame has less detail than a lens sees, so its file is smaller than a camera's.
    """
    for number in itertools.count():
        yield _commented(like, size_bytes, number)


def _commented(like: bytes, size_bytes: int, number: int) -> bytes:
    rest = size_bytes - len(like)
    if rest < 20:  # the first comment and its number
        raise ValueError(f"the picture has {len(like)} bytes, more than {size_bytes} wanted")
    segments = []
    while rest > 0:
        take = rest if rest <= _SEGMENT_LIMIT else min(_SEGMENT_LIMIT, rest - 4)
        text = os.urandom(8) + number.to_bytes(8, "big")
        body = text[: take - 4].ljust(take - 4, b".")
        segments.append(_COMMENT + (take - 2).to_bytes(2, "big") + body)
        rest -= take
    return _START + b"".join(segments) + like[len(_START) :]


def film(path: Path, frames: int, fps: int) -> Path:
    """Write a film of a rendered street, motion JPEG at 720p, and return its path."""
    fourcc = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), fourcc, fps, (1280, 720))
    scene = Scene("street", 7, width_px=1280, height_px=720)
    for number in range(frames):
        writer.write(scene.frame(number / fps)[0])
    writer.release()
    return path


def small(like: bytes, width_px: int, quality: int = 75) -> bytes:
    """Return a smaller JPEG of the same picture."""
    pixels = cv2.imdecode(np.frombuffer(like, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    height_px = round(pixels.shape[0] * width_px / pixels.shape[1])
    return _jpeg(_shrunk(pixels, width_px, height_px), quality)


def _shrunk(pixels: NDArray[Any], width_px: int, height_px: int) -> Image:
    small_pixels = cv2.resize(pixels, (width_px, height_px), interpolation=cv2.INTER_AREA)
    return small_pixels.astype(np.uint8, copy=False)


def _jpeg(pixels: Image, quality: int) -> bytes:
    done, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return bytes(encoded.tobytes())
