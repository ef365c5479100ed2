"""The dashboard's showing half on real PostgreSQL and a real hub."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import cv2
import numpy as np
import pytest
from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer

from dashboard_gateway.app import SHOWING, Setup, make_app
from dashboard_gateway.resources import LISTENER
from dashboard_gateway.settings import DashboardSettings
from dashboard_gateway.viewers import Role
from pinhole.runtime.postgres import Pool
from pinhole.stack.kubo_node import KuboNode
from tests.support.gallery import Gallery, Shown
from tests.support.polling import Eventually

Client = TestClient[Any, Any]
Headers = Mapping[str, str]
StartDashboard = Callable[..., Awaitable[Client]]


@pytest.fixture
async def gallery(pool: Pool, hub_kubo: KuboNode) -> AsyncIterator[Gallery]:
    """Add cameras, frames and users."""
    async with Gallery(pool, hub_kubo) as gallery:
        yield gallery


@pytest.fixture
async def start_showing(
    postgres_dsn: str, hub_kubo: KuboNode, eventually: Eventually
) -> AsyncIterator[StartDashboard]:
    """Start dashboards that show what this test's hub holds, and listen already."""
    clients: list[Client] = []

    async def start(parts: tuple[Setup, ...] = SHOWING, **changes: Any) -> Client:
        defaults = {
            "port": 0,
            "postgres_dsn": postgres_dsn,
            "hub_gateway_url": hub_kubo.gateway_url,
        }
        settings = DashboardSettings.load(**{**defaults, **changes})
        # Cookies are what a test sends, never what an earlier answer left.
        server = TestServer(make_app(settings, parts))
        client = TestClient(server, cookie_jar=DummyCookieJar())
        await client.start_server()
        clients.append(client)
        await eventually(client.app[LISTENER].connected.is_set)
        return client

    yield start
    for client in clients:
        await client.close()


@pytest.fixture
async def showing(start_showing: StartDashboard) -> Client:
    """Give a dashboard that shows."""
    return await start_showing()


@pytest.fixture
async def admin(gallery: Gallery) -> dict[str, str]:
    """Give the headers of an administrator who is logged in."""
    return await gallery.add_session("root", Role.ADMIN)


@pytest.fixture
async def frame(gallery: Gallery, photo: bytes) -> Shown:
    """Give a frame of the camera north/gate-a."""
    return await gallery.add_frame(await gallery.add_camera("gate-a"), photo)


def picture_of(width_px: int, height_px: int, *, seed: int = 0, ending: str = ".jpg") -> bytes:
    """Return an encoded picture that no other seed gives."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (max(1, height_px // 16), max(1, width_px // 16), 3), np.uint8)
    pixels = cv2.resize(coarse, (width_px, height_px), interpolation=cv2.INTER_CUBIC)
    done, encoded = cv2.imencode(ending, pixels)
    assert done
    return bytes(encoded)


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[str]:
    """Run a server that sends `answers`, one a connection and request, then closes; give its URL.

    For what a real Kubo cannot be made to say.
    """
    left = list(answers)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(left.pop(0))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def lying_hub(body: bytes) -> AbstractAsyncContextManager[str]:
    """Run a hub that gives `body` for any CID."""
    return answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
