"""SIGKILL at any instruction: nothing acknowledged is lost, nothing is doubled, no gap."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from camera_uploader.node import Node
from camera_uploader.orphans import orphans
from camera_uploader.spool.spool import Spool
from pinhole.contract.cid import Cid
from tests.camera_uploader.edge import CameraProcess, Edge
from tests.camera_uploader.pictures import jpeg
from tests.support.polling import WaitUntil, wait_until

_STEPS = Path(__file__).with_name("killed_at.py")


def _check_everything_arrived(edge: Edge, pictures: dict[str, bytes]) -> None:
    """Assert the promise: each file is one frame, in a whole chain, its bytes on the node."""
    edge.arrived(len(pictures), timeout_s=60)
    assert edge.hub.chain_problems() == []
    cids = edge.hub.cids()
    assert sorted(map(str, cids)) == sorted(str(Cid.of(data)) for data in pictures.values())
    pinned = set(edge.node.pinned())
    for cid in cids:
        assert cid in pinned
        assert cid.matches(edge.node.block(cid))


def _kill_and_restart(process: CameraProcess, edge: Edge, count: int) -> None:
    """Start a camera and kill it when `count` frames have arrived and a little more."""
    process.start()
    wait_until(lambda: len(edge.hub.frames) >= count, 60)
    # Each frame takes some 10 ms: this lands anywhere within its steps.
    for _ in range(random.randrange(20_000)):  # noqa: S311 - no secret
        os.getppid()
    process.end(signal.SIGKILL)


@pytest.mark.parametrize("kills", [10, pytest.param(200, marks=pytest.mark.long)])
@pytest.mark.timeout(2400)
def test_a_camera_killed_again_and_again_takes_every_file_exactly_once(
    edge: Edge, kills: int
) -> None:
    pictures = {f"{number}.jpg": jpeg(number, 320, 240) for number in range(kills * 12)}
    for name, data in pictures.items():
        edge.put(name, data)
    process = edge.process()
    for kill in range(1, kills + 1):
        _kill_and_restart(process, edge, kill * 10)

    process.start()
    _check_everything_arrived(edge, pictures)


_POINTS = ["put", "pin", "append", "kept", "deliver", "record_delivery", "settle"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("point", _POINTS)
def test_a_camera_killed_right_there_loses_and_doubles_nothing(
    edge: Edge, point: str, when: str
) -> None:
    """The process kills itself in the middle of its third frame, before or after one step."""
    pictures = {f"{number}.jpg": jpeg(number) for number in range(6)}
    for name, data in pictures.items():
        edge.put(name, data)
    environment = edge.process(directory_after="move").environment
    result = subprocess.run(
        (sys.executable, _STEPS, point, when, "3"),
        env={**os.environ, **environment, "PYTHONPATH": str(Path.cwd())},
        check=False,
        capture_output=True,
        timeout=60,
    )
    assert result.returncode == -signal.SIGKILL, result.stderr.decode()

    edge.run(directory_after="move")

    _check_everything_arrived(edge, pictures)
    wait_until(lambda: sorted(p.name for p in edge.watched.iterdir()) == ["taken"])


def test_a_block_pinned_without_a_row_is_found_as_an_orphan(
    edge: Edge, node: Node, wait_until: WaitUntil
) -> None:
    orphan, known = jpeg(501), jpeg(502)
    node.pin(node.put(orphan))
    camera = edge.run()
    edge.put("known.jpg", known)
    edge.arrived(1)
    camera.stop()

    found = set(orphans(edge.settings["spool_dir"], edge.settings["kubo_rpc_url"]))

    assert Cid.of(orphan) in found
    assert Cid.of(known) not in found


def test_sigterm_ends_a_camera_in_good_order(edge: Edge) -> None:
    process = edge.process()
    edge.put("a.jpg", jpeg(1))
    process.start()
    edge.arrived(1)

    assert process.end(signal.SIGTERM) == 0

    spool = Spool(edge.settings["spool_dir"])
    assert spool.events.counts().unsent == 0
    spool.close()


def test_a_camera_that_cannot_start_says_why_in_one_sentence(edge: Edge) -> None:
    process = edge.process(fps=0)
    process.start()
    assert process.running is not None

    assert process.running.wait(30) == 1
    (sentence,) = process.said.splitlines()
    assert "CAMERA_FPS" in sentence
