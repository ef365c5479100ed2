"""OpenCV's video capture: opened with deadlines, closed for certain, silent about addresses."""

import os
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

# The backends' own words may hold an address with a password; we say what is wrong ourselves.
# They are read when cv2 is loaded.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
# Over UDP a lost packet is a torn picture.
os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")

import cv2
import numpy as np

from camera_uploader.frame import Pixels
from camera_uploader.sources.source import SourceLost

_MS: Final = 1000


def ffmpeg_options(timeout_s: float) -> tuple[int, ...]:
    """Return the options that make FFmpeg small, and give up opening or reading at `timeout_s`."""
    limit_ms = max(1, round(timeout_s * _MS))
    return (
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, limit_ms),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, limit_ms),
        # Each decoding thread holds pictures of its own: two made 12 MB more at 1080p.
        *(cv2.CAP_PROP_N_THREADS, 1),
    )


class Capture:
    """An open video, for the length of a `with` block. For one thread.

    Raises:
        SourceLost: it cannot be opened; the sentence says `name`, never `address`.
    """

    def __init__(
        self, address: str | int, backend: int, name: str, options: Sequence[int] = ()
    ) -> None:
        # OpenCV takes a path or a number by two overloads; its stubs want to know which.
        self._video = cv2.VideoCapture(address, backend, list(options))
        self._pixels: Pixels | None = None
        if not self._video.isOpened():
            self._video.release()
            raise SourceLost(f"{name} cannot be opened")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._video.release()

    @property
    def fps(self) -> float:
        """What the container says of its rate; 0 or nonsense where it does not know."""
        return float(self._video.get(cv2.CAP_PROP_FPS))

    def grab(self) -> bool:
        """Take the next picture; false at the end, on an error, and after the deadline."""
        return bool(self._video.grab())

    def pixels(self) -> Pixels | None:
        """Return the grabbed picture, or None where it cannot be decoded.

        The memory is used again for the next one: 6 MB at 1080p that need not be had twice.
        """
        done, pixels = self._video.retrieve(self._pixels)
        if not done or pixels is None or not pixels.size:
            return None
        self._pixels = np.asarray(pixels, dtype=np.uint8)
        return self._pixels
