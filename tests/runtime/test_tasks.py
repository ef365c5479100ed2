"""A background task that dies or stands still turns the health check red."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from pinhole.runtime import tasks
from pinhole.runtime.health import CHECKS, SUPERVISOR
from pinhole.runtime.service import new_app, supervise
from pinhole.runtime.tasks import Pulse
from tests.support.polling import Eventually

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    app = new_app("test")
    app.cleanup_ctx.append(supervise)
    async with TestClient(TestServer(app)) as client:
        yield client


async def health(client: Client) -> tuple[int, dict[str, str]]:
    async with client.get("/healthz") as response:
        return response.status, (await response.json())["parts"]


async def test_a_service_without_problems_is_healthy(client: Client) -> None:
    assert await health(client) == (200, {})


async def test_a_task_that_stands_still_is_seen_and_forgiven_when_it_moves(
    client: Client, eventually: Eventually
) -> None:
    assert client.app
    move = asyncio.Event()

    async def stuck(pulse: Pulse) -> None:
        await move.wait()
        pulse.stalls_after_s = 60
        pulse.beat()
        await asyncio.Event().wait()

    client.app[SUPERVISOR].start("stuck", stuck, stalls_after_s=0.05)
    await eventually(lambda: client.app and client.app[SUPERVISOR].problems)
    status, parts = await health(client)
    assert status == 503
    assert "no progress" in parts["stuck"]
    move.set()
    await eventually(lambda: client.app and not client.app[SUPERVISOR].problems)
    assert await health(client) == (200, {"stuck": "ok"})


async def test_a_task_that_dies_is_red_and_started_again(
    client: Client,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert client.app
    monkeypatch.setattr(tasks, "RESTART_DELAY_S", 0.01)
    lives: list[Pulse] = []

    async def mortal(pulse: Pulse) -> None:
        lives.append(pulse)
        if len(lives) == 1:
            raise RuntimeError("the link is down")
        await asyncio.Event().wait()

    pulse = client.app[SUPERVISOR].start("mortal", mortal, stalls_after_s=60)
    await eventually(lambda: len(lives) == 2)
    status, parts = await health(client)
    assert status == 503
    assert parts["mortal"] == "RuntimeError: the link is down"
    assert "the link is down" in caplog.text
    pulse.beat()
    assert await health(client) == (200, {"mortal": "ok"})


async def test_an_outage_that_was_expected_is_one_line_when_it_begins_and_one_when_it_ends(
    client: Client,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert client.app
    caplog.set_level("INFO")
    monkeypatch.setattr(tasks, "RESTART_DELAY_S", 0.01)
    lives: list[Pulse] = []

    async def mortal(pulse: Pulse) -> None:
        lives.append(pulse)
        if len(lives) < 5:
            raise ConnectionRefusedError("nobody listens")
        pulse.beat()
        await asyncio.Event().wait()

    client.app[SUPERVISOR].expect(OSError)
    client.app[SUPERVISOR].start("mortal", mortal, stalls_after_s=60)
    await eventually(lambda: len(lives) == 5)
    assert [(record.getMessage(), record.exc_info) for record in caplog.records] == [
        ("mortal waits: ConnectionRefusedError: nobody listens", None),
        ("mortal is well again", None),
    ]


async def test_a_failing_check_is_named_beside_those_that_pass(client: Client) -> None:
    assert client.app

    async def away() -> str | None:
        return "PostgreSQL does not answer"

    async def here() -> str | None:
        return None

    client.app[CHECKS].update(database=away, kubo=here)
    assert await health(client) == (
        503,
        {"database": "PostgreSQL does not answer", "kubo": "ok"},
    )


async def test_stopping_a_service_ends_its_tasks_first() -> None:
    app = new_app("test")
    ended: list[str] = []

    async def resource(app: web.Application) -> AsyncIterator[None]:
        yield
        ended.append("resource")

    async def work(pulse: Pulse) -> None:
        del pulse
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("task")

    app.cleanup_ctx.extend([resource, supervise])
    async with TestClient(TestServer(app)):
        app[SUPERVISOR].start("work", work, stalls_after_s=60)
        await asyncio.sleep(0)
    assert ended == ["task", "resource"]
