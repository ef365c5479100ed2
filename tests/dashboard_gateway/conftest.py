"""The dashboard's receiving half on real PostgreSQL."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from dashboard_gateway.app import RECEIVING, Setup, make_app
from dashboard_gateway.settings import DashboardSettings
from pinhole.runtime.postgres import Pool
from tests.dashboard_gateway.sending import Sender, enrolled

Client = TestClient[Any, Any]
StartDashboard = Callable[..., Awaitable[Client]]


@pytest.fixture
async def start_dashboard(postgres_dsn: str) -> AsyncIterator[StartDashboard]:
    """Start dashboards of chosen parts on this test's database; they end with the test."""
    clients: list[Client] = []

    async def start(parts: tuple[Setup, ...] = RECEIVING, **changes: Any) -> Client:
        settings = DashboardSettings.load(port=0, postgres_dsn=postgres_dsn, **changes)
        client = TestClient(TestServer(make_app(settings, parts)))
        await client.start_server()
        clients.append(client)
        return client

    yield start
    for client in clients:
        await client.close()


@pytest.fixture
async def receiving(start_dashboard: StartDashboard) -> Client:
    """Give a dashboard that only receives: frames stay as they came."""
    return await start_dashboard()


@pytest.fixture
async def camera(pool: Pool, receiving: Client) -> Sender:
    """Give an enrolled camera with an Ed25519 key."""
    return await enrolled(pool, receiving)
