"""Live sources through OpenCV: network cameras (RTSP) and devices (USB).

Every picture is grabbed, so that what is kept is the newest, and only those kept are converted.
The instant of a picture is that of its grab.
"""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import cv2

from camera_uploader.frame import PixelShot
from camera_uploader.sampling import Sampler
from camera_uploader.sources.capturing import Capture, ffmpeg_options
from camera_uploader.sources.source import SourceLost, Unmarked


class StreamSource(Unmarked):
    """A live stream, sampled to `fps`; a silent one is given up after `timeout_s`."""

    live = True

    def __init__(
        self,
        address: str | int,
        backend: int,
        *,
        name: str,
        fps: float,
        options: tuple[int, ...],
    ) -> None:
        self.name = name
        self._address, self._backend, self._options = address, backend, options
        self._fps = fps

    def shots(self, stopping: threading.Event) -> Iterator[PixelShot | None]:
        """Yield the stream's pictures as they come.

        Raises:
            SourceLost: it cannot be opened, ended, or gave nothing for `timeout_s`.
        """
        sampler = Sampler(self._fps)
        with Capture(self._address, self._backend, self.name, self._options) as capture:
            while not stopping.is_set():
                if not capture.grab():
                    raise SourceLost(f"{self.name} gives no more pictures")
                captured_at, now_s = datetime.now(UTC), time.monotonic()
                yield self._kept(capture, captured_at) if sampler.keeps(now_s) else None

    @staticmethod
    def _kept(capture: Capture, captured_at: datetime) -> PixelShot | None:
        pixels = capture.pixels()
        return None if pixels is None else PixelShot(pixels=pixels, captured_at=captured_at)


def network_camera(address: str, *, name: str, fps: float, timeout_s: float) -> StreamSource:
    """Return a camera at an rtsp(s) address. `name` is the address without credentials."""
    options = ffmpeg_options(timeout_s)
    return StreamSource(address, cv2.CAP_FFMPEG, name=name, fps=fps, options=options)


def usb_device(
    number: int, *, name: str, fps: float, width_px: int, height_px: int
) -> StreamSource:
    """Return /dev/video`number`, asked for this size; the driver gives the nearest it has.

    The kernel driver gives up by itself: V4L2's select() in OpenCV ends after 10 s.
    """
    options = (
        # Most USB cameras reach more than 5 fps at 720p only as motion JPEG.
        *(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
        *(cv2.CAP_PROP_FRAME_WIDTH, width_px),
        *(cv2.CAP_PROP_FRAME_HEIGHT, height_px),
    )
    return StreamSource(number, cv2.CAP_V4L2, name=name, fps=fps, options=options)
