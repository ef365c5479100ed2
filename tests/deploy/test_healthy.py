"""deploy/docker/healthy.py: a container is as healthy as its service says."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from pinhole.runtime.health import CHECKS
from pinhole.runtime.service import new_app
from tests.deploy.composition import ROOT

SCRIPT = ROOT / "deploy" / "docker" / "healthy.py"


async def check(port: int) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(SCRIPT),
        env={**os.environ, "PINHOLE_HEALTH_PORT": str(port)},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


@pytest.fixture
async def service() -> AsyncIterator[tuple[web.Application, int]]:
    app = new_app("healthy")
    async with TestServer(app) as server:
        yield app, server.port or 0


async def test_a_service_that_is_well_is_healthy(service: tuple[web.Application, int]) -> None:
    _, port = service
    status, said = await check(port)
    assert status == 0
    assert '"status": "ok"' in said


async def test_a_part_that_stands_still_is_named(service: tuple[web.Application, int]) -> None:
    app, port = service

    async def problem() -> str:
        return "PostgreSQL does not answer"

    app[CHECKS]["postgres"] = problem
    status, said = await check(port)
    assert status == 1
    assert "PostgreSQL does not answer" in said


async def test_a_service_that_does_not_listen_is_not_healthy(unused_port: int) -> None:
    status, said = await check(unused_port)
    assert status == 1
    assert str(unused_port) in said
