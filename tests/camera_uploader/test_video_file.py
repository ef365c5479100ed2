"""Video files: in real time or not, for ever or once."""

import threading
import time
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from camera_uploader.frame import PixelShot
from camera_uploader.sources.source import SourceLost
from camera_uploader.sources.video_file import VideoFileSource
from camera_uploader.trial import NothingKnown
from tests.camera_uploader.edge import Edge
from tests.support.polling import wait_until

_FPS = 20
_PICTURES = 40


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Give a film of 2 s whose n-th picture has the brightness 5 n."""
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), _FPS, (160, 120))
    assert writer.isOpened()
    for number in range(_PICTURES):
        writer.write(np.full((120, 160, 3), number * 5, np.uint8))
    writer.release()
    return path


def _source(
    path: Path, *, fps: float = _FPS, loop: bool = False, paced: bool = False
) -> VideoFileSource:
    return VideoFileSource(path, NothingKnown(), name="film", fps=fps, loop=loop, paced=paced)


def _number(shot: PixelShot) -> int:
    return round(float(shot.pixels.mean()) / 5)


def test_every_picture_of_a_film_played_once_is_taken_in_order(film: Path) -> None:
    shots = [_number(shot) for shot in _source(film).shots(threading.Event()) if shot]

    assert shots == list(range(_PICTURES))


def test_a_film_is_sampled_by_its_own_time_however_fast_it_is_read(film: Path) -> None:
    shots = [_number(shot) for shot in _source(film, fps=5).shots(threading.Event()) if shot]

    assert len(shots) == pytest.approx(10, abs=1)


def test_a_film_played_for_ever_begins_again(film: Path) -> None:
    shots = (shot for shot in _source(film, loop=True).shots(threading.Event()) if shot)

    numbers = [_number(shot) for shot in islice(shots, 100)]

    assert numbers == [number % _PICTURES for number in range(100)]


def test_a_paced_film_takes_its_time(film: Path) -> None:
    began_s = time.monotonic()

    shots = [shot for shot in _source(film, paced=True).shots(threading.Event()) if shot]

    assert len(shots) == _PICTURES
    assert time.monotonic() - began_s >= _PICTURES / _FPS - 0.1


def test_a_film_that_is_not_there_is_lost_by_name(tmp_path: Path) -> None:
    with pytest.raises(SourceLost, match="film cannot be opened: No such file"):
        next(_source(tmp_path / "absent.mp4").shots(threading.Event()))


@pytest.mark.parametrize("content", [b"", b"no film at all" * 100])
def test_a_file_that_is_no_film_is_lost(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(content)

    with pytest.raises(SourceLost):
        next(_source(path).shots(threading.Event()))


def test_a_film_played_once_is_taken_once_although_the_camera_is_stopped_in_between(
    edge: Edge, film: Path
) -> None:
    settings = {"source": f"file:{film}", "fps": _FPS, "file_loop": False, "file_paced": True}
    for stopped_at in (5, 12, 25):
        camera = edge.run(**settings)
        edge.arrived(stopped_at)
        camera.stop()
    camera = edge.run(**settings)

    edge.arrived(_PICTURES)

    assert len(edge.hub.frames) == _PICTURES
    assert edge.hub.chain_problems() == []
    wait_until(lambda: "ended" in camera.parts["capture"].state)
    assert camera.parts["capture"].problem is None
    brightness = [_brightness(edge.node.block(cid)) for cid in edge.hub.cids()]
    assert brightness == list(range(_PICTURES))


def _brightness(data: bytes) -> int:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return round(float(pixels.mean()) / 5)
