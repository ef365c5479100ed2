"""`pinhole camera …`."""

import argparse
from pathlib import Path

import pytest

from camera_uploader.commands import register
from pinhole.contract.errors import Unavailable
from pinhole.contract.signing import Ed25519Key
from tests.camera_uploader.edge import Edge
from tests.camera_uploader.pictures import jpeg
from tests.support.polling import WaitUntil


def _pinhole(*words: str) -> int:
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers(required=True))
    arguments = parser.parse_args(words)
    status: int = arguments.run(arguments)
    return status


def test_status_shows_how_a_camera_is(
    edge: Edge, capsys: pytest.CaptureFixture[str], wait_until: WaitUntil
) -> None:
    camera = edge.run(health_port=0)
    edge.put("a.jpg", jpeg(1))
    edge.put("bad.jpg", b"<html>")
    edge.arrived(1)

    def page() -> str:
        assert _pinhole("camera", "status", "--url", f"http://127.0.0.1:{camera.health_port}") == 0
        return capsys.readouterr().out

    wait_until(lambda: "bad.jpg: NOT_AN_IMAGE" in page())
    shown = page()
    assert "/sites/home/cameras/door" in shown
    assert "1 events" in shown
    assert "capture        ok" in shown


def test_status_of_no_camera_is_one_sentence(unused_port: int) -> None:
    with pytest.raises(Unavailable, match="no camera answers"):
        _pinhole("camera", "status", "--url", f"http://127.0.0.1:{unused_port}")


def test_a_source_is_tried_and_described(
    watched: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (watched / "a.jpg").write_bytes(jpeg(1, 320, 240))
    (watched / "bad.jpg").write_bytes(b"<html>")
    saved = tmp_path / "last.jpg"

    words = ("--seconds", "2", "--save", str(saved))
    assert _pinhole("camera", "sources", "test", f"dir:{watched}", *words) == 0

    shown = capsys.readouterr().out
    assert "320 x 240 image/jpeg" in shown
    assert "sharpness" in shown
    assert saved.read_bytes() == jpeg(1, 320, 240)
    assert sorted(path.name for path in watched.iterdir()) == ["a.jpg", "bad.jpg"]


def test_a_source_without_pictures_is_a_failure_that_says_so(
    unused_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = f"rtsp://admin:s3cret@127.0.0.1:{unused_port}/x"

    assert _pinhole("camera", "sources", "test", spec, "--seconds", "1") == 1

    shown = capsys.readouterr()
    assert "cannot be opened" in shown.out
    assert "s3cret" not in shown.out + shown.err


def test_key_makes_a_key_once_and_prints_its_public_half(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = []
    for _ in range(2):
        assert _pinhole("camera", "key", str(tmp_path / "camera.key")) == 0
        printed.append(capsys.readouterr().out.strip())

    assert printed[0] == printed[1]
    Ed25519Key.parse(printed[0])


def test_orphans_are_listed(edge: Edge, capsys: pytest.CaptureFixture[str]) -> None:
    edge.run().stop()
    orphan = edge.node.put(jpeg(901))
    edge.node.pin(orphan)

    words = (str(edge.settings["spool_dir"]), "--kubo-rpc-url", edge.settings["kubo_rpc_url"])
    assert _pinhole("camera", "orphans", *words) == 0

    assert str(orphan) in capsys.readouterr().out.split()
