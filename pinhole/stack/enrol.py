"""Entering the stack's cameras and first administrator at the dashboard, by its own commands."""

import asyncio
import json
import os
import sys
from hashlib import sha256
from typing import Any

from pinhole.stack import access
from pinhole.stack.failure import StackFailure
from pinhole.stack.progress import Report
from pinhole.stack.topology import SITE, Camera, Topology

FIRST_ADMINISTRATOR = "admin"
_COMMAND_TIMEOUT_S = 30.0


async def enrol(topology: Topology, camera: Camera, report: Report) -> None:
    """Make the dashboard know a camera; what it knows already costs nothing.

    Raises:
        StackFailure: The dashboard's command refused; its words are in the details.

    """
    arguments = (
        *("cameras", "add", SITE, camera.name),
        *("--public-key", str(access.camera_key(topology.layout, camera))),
        *("--peer-id", camera.node.peer_id, "--gateway-url", camera.node.gateway_url),
        *(part for address in camera.node.as_peer().addresses for part in ("--address", address)),
        "--json",
    )
    # A command takes a second of Python's start: it is not repeated while nothing has changed.
    receipt = topology.layout.camera_dir(camera.name) / "enrolled"
    digest = sha256("\0".join(arguments).encode()).hexdigest()
    if receipt.exists() and receipt.read_text() == digest:
        return
    await dashboard_command(topology, *arguments)
    receipt.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    receipt.write_text(digest)
    report(f"{camera.program_name} is enrolled as {SITE}/{camera.name}")


async def dashboard_command(topology: Topology, *arguments: str) -> Any:  # noqa: ANN401 - JSON
    """Run one of the dashboard's own commands and return what it answers.

    Raises:
        StackFailure: It failed or took too long.

    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dashboard_gateway", *arguments),
        env={**os.environ, **topology.dashboard().env},
        cwd=topology.layout.home,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_COMMAND_TIMEOUT_S):
            said, complaint = await process.communicate()
    except BaseException:
        process.kill()
        raise
    if process.returncode != 0:
        what = " ".join(arguments[:2])
        raise StackFailure(f"dashboard {what} failed: {complaint.decode(errors='replace').strip()}")
    return json.loads(said)


async def first_administrator(topology: Topology) -> str | None:
    """Return the first administrator's one-time password while it still opens the page."""
    del topology
    return None
