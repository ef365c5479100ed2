"""Who may look inside a service, and what strangers hear instead."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from pinhole.runtime.health import CHECKS
from pinhole.runtime.observers import METRICS_TOKEN, is_near
from pinhole.runtime.service import new_app

SECRET = "a secret of more than twenty letters"
TOKEN = {"Authorization": f"Bearer {SECRET}"}
WRONG = {"Authorization": "Bearer another secret of twenty letters"}
# What a proxy on this machine says of whom it asks for.
FORWARDED = {"X-Forwarded-For": "203.0.113.7"}

Client = TestClient[web.Request, web.Application]
Start = Callable[[str | None], Awaitable[Client]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start a service whose PostgreSQL is away, with or without a token in its settings."""

    async def away() -> str | None:
        return "PostgreSQL at 10.0.0.5 does not answer"

    async with AsyncExitStack() as stack:

        async def started(token: str | None) -> Client:
            app = new_app("test")
            app[CHECKS]["postgres"] = away
            app[METRICS_TOKEN] = SecretStr(token) if token is not None else None
            return await stack.enter_async_context(TestClient(TestServer(app)))

        yield started


@pytest.mark.parametrize(
    ("token", "headers", "status"),
    [
        (None, {}, 200),
        (None, FORWARDED, 401),
        (None, {**FORWARDED, **TOKEN}, 401),
        (SECRET, {}, 401),
        (SECRET, WRONG, 401),
        (SECRET, TOKEN, 200),
        (SECRET, {**FORWARDED, **TOKEN}, 200),
    ],
)
async def test_metrics_are_told_to_this_machine_or_where_one_is_set_for_the_token(
    start: Start, token: str | None, headers: Mapping[str, str], status: int
) -> None:
    client = await start(token)
    async with client.get("/metrics", headers=headers) as response:
        assert response.status == status
        told = "pinhole_http_request_seconds" in await response.text()
        assert told is (status == 200)


@pytest.mark.parametrize(
    ("headers", "is_told"), [({}, True), (FORWARDED, False), ({**FORWARDED, **TOKEN}, True)]
)
async def test_a_stranger_hears_that_something_fails_and_not_what(
    start: Start, headers: Mapping[str, str], is_told: bool
) -> None:
    client = await start(SECRET)
    async with client.get("/healthz", headers=headers) as response:
        assert response.status == 503
        body = await response.json()
    assert body["status"] == "failing"
    assert ("10.0.0.5" in str(body)) is is_told
    assert set(body) == ({"status", "parts"} if is_told else {"status"})


@pytest.mark.parametrize(
    ("address", "near"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:172.18.0.1", False),
        # Whoever comes through a port that Docker publishes has its bridge's address.
        ("172.18.0.1", False),
        ("10.8.0.17", False),
        ("203.0.113.7", False),
        ("", False),
    ],
)
async def test_only_loopback_is_near(start: Start, address: str, near: bool) -> None:
    seen: list[bool] = []

    async def look(request: web.Request) -> web.Response:
        seen.append(is_near(request.clone(remote=address)))
        return web.Response()

    app = web.Application()
    app.router.add_get("/", look)
    async with TestClient(TestServer(app)) as client:
        await client.get("/")
    assert seen == [near]
