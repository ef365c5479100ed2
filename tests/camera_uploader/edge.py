"""Everything at the edge in one object: a directory, a node, a spool's place, a hub, cameras."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from camera_uploader.app import Camera
from camera_uploader.node import Node
from camera_uploader.settings import CameraSettings
from tests.camera_uploader.recording_hub import RecordingHub
from tests.support.polling import wait_until

SOURCE = "/sites/home/cameras/door"
Event = dict[str, Any]


@dataclass
class CameraProcess:
    """`python -m camera_uploader`, to be killed."""

    environment: dict[str, str]
    log: Path
    running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it is not waited for."""
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                (sys.executable, "-m", "camera_uploader"),
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
            )

    def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal and return its exit status; one that has ended is left alone."""
        assert self.running is not None
        if self.running.poll() is None:
            self.running.send_signal(number)
        return self.running.wait(20)

    @property
    def said(self) -> str:
        """What it wrote to its log."""
        return self.log.read_text(errors="replace")


@dataclass
class Edge:
    """A camera's surroundings in one test."""

    settings: dict[str, Any]
    hub: RecordingHub
    node: Node
    watched: Path
    log: Path
    cleanup: ExitStack = field(default_factory=ExitStack)

    def run(self, **settings: Any) -> Camera:
        """Run a camera in this process, with these settings over the usual ones."""
        camera = Camera(CameraSettings.load(**{**self.settings, **settings}))
        camera.start()
        self.cleanup.callback(camera.stop)
        return camera

    def process(self, **settings: Any) -> CameraProcess:
        """Make a camera that runs as a process of its own; it is not started."""
        given = {**self.settings, **settings}
        environment = {f"CAMERA_{name.upper()}": str(value) for name, value in given.items()}
        process = CameraProcess(environment, self.log)
        self.cleanup.callback(lambda: process.running and process.end())
        return process

    def put(self, name: str, data: bytes) -> Path:
        """Put a picture into the watched directory, renamed into place."""
        path = self.watched / name
        unfinished = path.with_name(f".{name}")
        unfinished.write_bytes(data)
        return unfinished.rename(path)

    def arrived(self, count: int, timeout_s: float = 20.0) -> list[Event]:
        """Wait until the hub has this many frames, and return their events in order."""
        wait_until(lambda: len(self.hub.frames) >= count, timeout_s)
        return [event for _, event in sorted(self.hub.frames.items())]


def get_json(url: str) -> tuple[int, Any]:
    """Return the status and the JSON of a GET."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - the test's own
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def status_of(camera: Camera) -> dict[str, Any]:
    """Return what a camera tells of itself on its health port."""
    code, status = get_json(f"http://127.0.0.1:{camera.health_port}/status")
    assert code == 200
    assert isinstance(status, dict)
    return status


def put_on_node(edge: Edge, data: bytes) -> None:
    """Have the camera's node hold and pin a block that no event names."""
    edge.node.pin(edge.node.put(data))
