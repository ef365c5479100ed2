"""`pinhole camera sources test`: what a source gives, seen before a camera depends on it."""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TextIO

import cv2
import numpy as np

from camera_uploader.developing import Developer, Unusable
from camera_uploader.frame import Frame, Mark, Refusal, printable
from camera_uploader.settings import Oversize, SourceSettings
from camera_uploader.sources.catalogue import open_source
from camera_uploader.sources.source import SourceLost

_ENOUGH: Final = 50
# Below this variance of the Laplacian a picture of 1280 x 720 looks blurred to people.
_BLURRED: Final = 60.0


class NothingKnown:
    """The memory of a source that is only tried: nothing was ever taken."""

    def taken_version(self, source: str, item: bytes) -> str | None:
        """Return None."""
        del source, item
        return None

    def refused_version(self, source: str, item: bytes) -> str | None:
        """Return None."""
        del source, item
        return None

    def forget(self, mark: Mark) -> None:
        """Do nothing."""


@dataclass
class Trial:
    """What was seen."""

    frames: int = 0
    size_bytes: int = 0
    last: Frame | None = None
    refusals: list[str] = field(default_factory=list)

    def see(self, frame: Frame) -> None:
        """Count a frame."""
        self.frames += 1
        self.size_bytes += len(frame.data)
        self.last = frame


def try_source(spec: str, seconds: float, save: Path | None, out: TextIO) -> int:
    """Take pictures of a source for a while and describe them on `out`; 1 where there is none.

    Nothing is stored or moved but the last picture, to `save`.
    """
    settings = SourceSettings.load(source=spec)
    out.write(f"{settings.source}\n")
    began_s = time.monotonic()
    trial = Trial()
    try:
        _take(settings, began_s + seconds, trial)
    except SourceLost as error:
        out.write(f"  {error.details}\n")
    took_s = time.monotonic() - began_s
    out.writelines(f"  refused: {why}\n" for why in trial.refusals[:10])
    if (frame := trial.last) is None:
        out.write(f"  no picture in {took_s:.1f} s\n")
        return 1
    sharpness = _sharpness(frame.data)
    out.write(
        f"  {frame.width_px} x {frame.height_px} {frame.media_type}, "
        f"{trial.size_bytes / trial.frames / 1000:.0f} kB each\n"
        f"  {trial.frames} pictures in {took_s:.1f} s: {trial.frames / took_s:.1f} a second\n"
        f"  sharpness {sharpness:.0f}{' (blurred?)' if sharpness < _BLURRED else ''}\n"
        f"  {frame.cid}\n"
    )
    if save is not None:
        save.write_bytes(frame.data)
    return 0


def _take(settings: SourceSettings, until_s: float, trial: Trial) -> None:
    source = open_source(settings, Oversize.REENCODE, NothingKnown())
    developer = Developer(oversize=Oversize.REENCODE)
    for shot in source.shots(threading.Event()):
        if isinstance(shot, Refusal):
            trial.refusals.append(_name(shot.mark) + shot.details)
        elif shot is not None:
            try:
                trial.see(developer.develop(shot))
            except Unusable as error:
                trial.refusals.append(_name(shot.mark) + error.details)
        if time.monotonic() >= until_s or trial.frames >= _ENOUGH:
            return


def _name(mark: Mark | None) -> str:
    return "" if mark is None or not mark.item else f"{printable(mark.item)}: "


def _sharpness(data: bytes) -> float:
    """Return the variance of the Laplacian, a usual measure of focus."""
    grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    return 0.0 if grey is None else float(cv2.Laplacian(grey, cv2.CV_64F).var())
