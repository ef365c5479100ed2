"""The dashboard as a process of its own, for tests that kill it."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

import aiohttp

from pinhole.stack.ports import unused_port
from tests.support.polling import eventually

# Importing OpenCV, Jinja2 and pgqueuer takes 2 s on a quiet machine.
_START_WITHIN_S = 60


def environment(**settings: object) -> dict[str, str]:
    """Return this process's environment with the dashboard's settings in it."""
    return {**os.environ, **{f"DASHBOARD_{name}".upper(): str(v) for name, v in settings.items()}}


@asynccontextmanager
async def dashboard(*words: str, **settings: object) -> AsyncIterator[tuple[Process, str]]:
    """Run `python -m dashboard_gateway` until it answers; kill it at the end.

    Yields:
        The process and its address.
    """
    port = unused_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "dashboard_gateway", *words),
        env=environment(port=port, **settings),
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession() as session:

            async def answers() -> bool:
                assert process.returncode is None, "the dashboard ended while starting"
                with suppress(aiohttp.ClientError):
                    async with session.get(f"{url}/healthz") as response:
                        return response.status == HTTPStatus.OK
                return False

            await eventually(answers, timeout_s=_START_WITHIN_S)
        yield process, url
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def command(*words: str, **settings: object) -> tuple[int, str, str]:
    """Run a command of the dashboard; return its status, output and complaint."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "dashboard_gateway", *words),
        env=environment(**settings),
        stdout=PIPE,
        stderr=PIPE,
    )
    output, complaint = await process.communicate()
    return process.returncode or 0, output.decode(), complaint.decode()
