"""Fixtures of the camera's tests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from camera_uploader.clock import HubClock
from camera_uploader.identity import Identity, load_or_make
from camera_uploader.node import Node
from camera_uploader.spool.spool import Spool
from pinhole.stack.kubo_node import KuboNode
from tests.camera_uploader.edge import SOURCE, Edge
from tests.camera_uploader.recording_hub import RecordingHub, serving


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return Identity(SOURCE, load_or_make(tmp_path / "camera.key"))


@pytest.fixture
def recording_hub(identity: Identity) -> RecordingHub:
    return RecordingHub(public_key=identity.signer.public)


@pytest.fixture
def hub_url(recording_hub: RecordingHub) -> Iterator[str]:
    with serving(recording_hub) as url:
        yield url


@pytest.fixture
def clock() -> HubClock:
    return HubClock()


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool")
    yield spool
    spool.close()


@pytest.fixture
def node(camera_kubo: KuboNode) -> Iterator[Node]:
    node = Node(camera_kubo.rpc_url)
    yield node
    node.close()


@pytest.fixture
def watched(tmp_path: Path) -> Path:
    """Give an empty directory for a `dir:` source."""
    folder = tmp_path / "watched"
    folder.mkdir()
    return folder


@pytest.fixture
def camera_settings(
    tmp_path: Path, hub_url: str, identity: Identity, camera_kubo: KuboNode, watched: Path
) -> dict[str, Any]:
    """Give the settings of a camera in this test's own places, impatient where it may be."""
    del identity  # it made the key
    return {
        "site": "home",
        "name": "door",
        "source": f"dir:{watched}",
        "hub_url": hub_url,
        "kubo_rpc_url": camera_kubo.rpc_url,
        "spool_dir": tmp_path / "spool",
        "key_file": tmp_path / "camera.key",
        "retry_max_s": 0.2,
        "heartbeat_s": 0.2,
        "directory_settle_s": 0.1,
        "directory_incomplete_s": 0.3,
        "directory_rescan_s": 0.2,
    }


@pytest.fixture
def edge(
    camera_settings: dict[str, Any],
    recording_hub: RecordingHub,
    node: Node,
    watched: Path,
    tmp_path: Path,
) -> Iterator[Edge]:
    """Give a camera's surroundings; what was run there ends with the test."""
    edge = Edge(camera_settings, recording_hub, node, watched, tmp_path / "camera.log")
    with edge.cleanup:
        yield edge
