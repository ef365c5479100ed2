"""Live sources: network cameras over real RTSP, devices that are not there."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from camera_uploader.frame import PixelShot
from camera_uploader.sources.source import SourceLost
from camera_uploader.sources.stream import StreamSource, network_camera, usb_device
from tests.camera_uploader.edge import Edge
from tests.camera_uploader.pictures import jpeg
from tests.camera_uploader.rtsp_server import Stream, serving
from tests.support.polling import WaitUntil

_PASSWORD = "s3cret"
_SYSTEM_PYTHON = "/usr/bin/python3"
_GSTREAMER = Path(__file__).with_name("gstreamer_rtsp.py")
_PICTURES = [jpeg(number, 320, 240) for number in range(5)]


def _gstreamer_is_installed() -> bool:
    check = "import gi; gi.require_version('GstRtspServer', '1.0')"
    if shutil.which(_SYSTEM_PYTHON) is None:
        return False
    return subprocess.run((_SYSTEM_PYTHON, "-c", check), check=False, stderr=-3).returncode == 0


@contextmanager
def _gstreamer() -> Iterator[str]:
    command = (_SYSTEM_PYTHON, str(_GSTREAMER), "jpeg", "320x240", "25", _PASSWORD)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            yield f"127.0.0.1:{int(server.stdout.readline())}/test"
        finally:
            server.kill()


@pytest.fixture(params=["ours", "gstreamer"])
def guarded_camera(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the address, without credentials, of a camera that asks for a password."""
    if request.param == "ours":
        with serving(Stream(_PICTURES, password=_PASSWORD)) as host:
            yield f"{host}/test"
    elif not _gstreamer_is_installed():
        pytest.skip("GStreamer's RTSP server (gir1.2-gst-rtsp-server-1.0) is not installed")
    else:
        with _gstreamer() as address:
            yield address


def _camera(address: str, *, fps: float = 5, timeout_s: float = 1) -> StreamSource:
    return network_camera(f"rtsp://{address}", name="rtsp://cam", fps=fps, timeout_s=timeout_s)


def _take(source: StreamSource, count: int) -> list[PixelShot]:
    """Return copies of the next pictures; the source uses their memory again."""
    shots = []
    for shot in source.shots(threading.Event()):
        if shot is not None:
            shots.append(PixelShot(pixels=shot.pixels.copy(), captured_at=shot.captured_at))
        if len(shots) == count:
            break
    return shots


def test_a_network_camera_is_watched_at_the_rate_that_is_set(guarded_camera: str) -> None:
    shots = _take(_camera(f"admin:{_PASSWORD}@{guarded_camera}"), 10)

    assert {shot.pixels.shape for shot in shots} == {(240, 320, 3)}
    took_s = (shots[-1].captured_at - shots[1].captured_at).total_seconds()
    # 8 slots of 0.2 s; a busy machine may group what it receives.
    assert took_s == pytest.approx(1.6, abs=0.5)


def test_wrong_credentials_lose_the_source_and_are_in_no_message(
    guarded_camera: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SourceLost) as lost:
        _take(_camera(f"admin:wr0ng@{guarded_camera}"), 1)

    said = capfd.readouterr()
    for text in (lost.value.details, said.out, said.err):
        assert "wr0ng" not in text


def test_the_pictures_are_those_of_the_camera() -> None:
    with serving(Stream([jpeg(1, 320, 240)])) as host:
        (shot,) = _take(_camera(host), 1)

    # A JPEG decoded by FFmpeg and one by OpenCV differ by rounding only.
    import cv2  # noqa: PLC0415

    expected = cv2.imdecode(np.frombuffer(jpeg(1, 320, 240), np.uint8), cv2.IMREAD_COLOR)
    assert expected is not None
    assert np.abs(shot.pixels.astype(int) - expected.astype(int)).mean() < 4


def test_a_camera_that_hangs_without_an_error_is_given_up() -> None:
    with (
        serving(Stream(_PICTURES, hangs_after=20)) as host,
        pytest.raises(SourceLost, match="no more pictures"),
    ):
        _take(_camera(host, timeout_s=0.5), 1000)


def test_a_camera_that_breaks_off_in_the_middle_of_a_picture_is_lost() -> None:
    with serving(Stream(_PICTURES, ends_after=20)) as host, pytest.raises(SourceLost):
        _take(_camera(host, timeout_s=0.5), 1000)


def test_a_camera_where_nobody_answers_is_lost_in_time(unused_port: int) -> None:
    with pytest.raises(SourceLost, match="rtsp://cam cannot be opened"):
        _take(_camera(f"admin:{_PASSWORD}@127.0.0.1:{unused_port}"), 1)


def test_a_device_that_is_not_there_is_lost() -> None:
    device = usb_device(97, name="usb:97", fps=5, width_px=640, height_px=480)

    with pytest.raises(SourceLost, match="usb:97 cannot be opened"):
        _take(device, 1)


def test_a_lost_camera_is_opened_again_and_nothing_of_the_chain_breaks(
    edge: Edge, wait_until: WaitUntil
) -> None:
    stream = Stream(_PICTURES, ends_after=15)
    with serving(stream) as host:
        camera = edge.run(source=f"rtsp://{host}/x", fps=10, source_timeout_s=1)
        wait_until(lambda: stream.viewers >= 3, 30)
        wait_until(lambda: camera.parts["capture"].problem is None)
        stream.ends_after = None
        came = len(edge.hub.frames)
        edge.arrived(came + 10)

    assert edge.hub.chain_problems() == []


def test_a_source_that_is_lost_turns_health_red_and_keeps_its_password(
    edge: Edge, wait_until: WaitUntil, caplog: pytest.LogCaptureFixture, unused_port: int
) -> None:
    source = f"rtsp://admin:{_PASSWORD}@127.0.0.1:{unused_port}/x?password={_PASSWORD}"
    camera = edge.run(source=source, source_timeout_s=1)

    wait_until(lambda: camera.parts["capture"].problem)
    wait_until(
        lambda: edge.hub.statuses and "opened" in edge.hub.statuses[-1].data.states["capture"]
    )

    assert _PASSWORD not in str(camera.parts["capture"].problem)
    assert _PASSWORD not in caplog.text
    assert all(_PASSWORD.encode() not in delivery.body for delivery in edge.hub.deliveries)
