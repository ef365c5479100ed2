"""A video file, played in real time or as fast as the camera takes it; for ever or once.

A file played once is taken exactly once: the number of the last picture that was spooled is
remembered with it, and a restart goes on behind it.
"""

import itertools
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import cv2

from camera_uploader.frame import Mark, PixelShot
from camera_uploader.sampling import Sampler
from camera_uploader.sources.capturing import Capture, ffmpeg_options
from camera_uploader.sources.pacing import Pace
from camera_uploader.sources.source import Memory, SourceLost, Unmarked

# Containers that do not say their rate (raw motion JPEG) are played at this one.
_USUAL_FPS: Final = 25.0
_MAX_FPS: Final = 1000.0
_THE_FILE: Final = b""
_READ_TIMEOUT_S: Final = 10.0


class VideoFileSource(Unmarked):
    """The pictures of one file, sampled to `fps` of the video's own time."""

    def __init__(
        self, path: Path, memory: Memory, *, name: str, fps: float, loop: bool, paced: bool
    ) -> None:
        self.name = name
        # A film played once waits for the node and loses nothing; one that plays for ever in
        # real time stands for a camera and does not wait.
        self.live = paced and loop
        self._path, self._memory = path, memory
        self._fps, self._loop, self._paced = fps, loop, paced

    def shots(self, stopping: threading.Event) -> Iterator[PixelShot | None]:
        """Yield the film's pictures; with `loop` it never ends.

        Raises:
            SourceLost: there is no such file, or it is no film.
        """
        sampler, began_s = Sampler(self._fps), 0.0
        pace = Pace(stopping) if self._paced else None
        while not stopping.is_set():
            length_s = 0.0
            for shown_s, shot in self._showing(sampler, pace, began_s):
                length_s = shown_s
                yield shot
                if stopping.is_set():
                    return
            if not length_s:
                raise SourceLost(f"{self.name} holds no pictures")
            if not self._loop:
                return
            began_s += length_s

    def _showing(
        self, sampler: Sampler, pace: Pace | None, began_s: float
    ) -> Iterator[tuple[float, PixelShot | None]]:
        """Yield (seconds of film shown so far, what is kept) from its first picture to its last."""
        version = self._version()
        taken = 0 if self._loop else self._taken(version)
        options = ffmpeg_options(_READ_TIMEOUT_S)
        with Capture(str(self._path), cv2.CAP_FFMPEG, self.name, options) as capture:
            slot_s = 1 / (capture.fps if 0 < capture.fps <= _MAX_FPS else _USUAL_FPS)
            for number in itertools.count(1):
                if not capture.grab():
                    return
                shown_s = number * slot_s
                keeps = sampler.keeps(began_s + shown_s)
                # What was taken before is passed one by one: seeking lands on key frames.
                while (
                    number > taken and pace and not pace.reached(began_s + shown_s - taken * slot_s)
                ):
                    yield shown_s, None
                kept = keeps and number > taken
                yield shown_s, self._shot(capture, f"{version}:{number}") if kept else None

    def _shot(self, capture: Capture, version: str) -> PixelShot | None:
        captured_at = datetime.now(UTC)
        pixels = capture.pixels()
        if pixels is None:
            return None
        mark = None if self._loop else Mark(self.name, _THE_FILE, version)
        return PixelShot(pixels=pixels, captured_at=captured_at, mark=mark)

    def _version(self) -> str:
        try:
            stat = self._path.stat()
        except OSError as error:
            raise SourceLost(f"{self.name} cannot be opened: {error.strerror}") from error
        return f"{stat.st_size}:{stat.st_mtime_ns}"

    def _taken(self, version: str) -> int:
        """Return how many pictures of this very file were passed before."""
        taken = self._memory.taken_version(self.name, _THE_FILE)
        same_file, _, number = (taken or "").rpartition(":")
        return int(number) if same_file == version else 0
