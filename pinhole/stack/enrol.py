"""Entering the stack's cameras and first administrator at the dashboard, by its own commands."""

import asyncio
import json
import os
from hashlib import sha256
from typing import Any

from pinhole.stack import access, secret_files
from pinhole.stack.announcement import CHANGED, FIRST_ADMINISTRATOR, password_file
from pinhole.stack.failure import StackFailure
from pinhole.stack.progress import Report
from pinhole.stack.topology import SITE, Camera, Topology, python_module

_COMMAND_TIMEOUT_S = 30.0


async def enrol(topology: Topology, camera: Camera, report: Report) -> None:
    """Make the dashboard know a camera; what it knows already costs nothing.

    Raises:
        StackFailure: The dashboard's command refused; its words are in the details.

    """
    key = await asyncio.to_thread(access.camera_key, topology.layout, camera)
    words = (
        *("cameras", "add", SITE, camera.name, "--public-key", str(key), "--json"),
        *("--peer-id", camera.node.peer_id, "--gateway-url", camera.node.gateway_url),
        *(part for address in camera.node.as_peer().addresses for part in ("--address", address)),
    )
    # A command takes a second of Python's start: it is not repeated while nothing has changed.
    receipt = topology.layout.camera_dir(camera.name) / "enrolled"
    digest = sha256("\0".join(words).encode()).hexdigest()
    if await asyncio.to_thread(secret_files.read, receipt) == digest:
        return
    await dashboard_command(topology, *words)
    await asyncio.to_thread(secret_files.write, receipt, digest)
    report(f"{camera.program_name} is enrolled as {SITE}/{camera.name}")


async def make_administrator(topology: Topology) -> None:
    """Make the first administrator; keep the one-time password while it still opens the page.

    Raises:
        StackFailure: The dashboard's command refused.

    """
    file = password_file(topology.layout)
    if await asyncio.to_thread(secret_files.read, file) == CHANGED:
        return
    answer = await dashboard_command(topology, "users", "add-admin", FIRST_ADMINISTRATOR, "--json")
    if answer["created"]:
        await asyncio.to_thread(secret_files.write, file, answer["password"])
    elif not answer["must_change_password"]:
        await asyncio.to_thread(secret_files.write, file, CHANGED)


async def dashboard_command(topology: Topology, *arguments: str) -> Any:  # noqa: ANN401 - JSON
    """Run one of the dashboard's own commands and return what it answers.

    Raises:
        StackFailure: It failed or took too long.

    """
    process = await asyncio.create_subprocess_exec(
        *python_module("dashboard_gateway", *arguments),
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
