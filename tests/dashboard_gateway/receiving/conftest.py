"""The dashboard's receiving half on real PostgreSQL, Kubo, pinning and detector."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest
from aiohttp.test_utils import TestClient, TestServer

from dashboard_gateway.app import DISPATCHING, RECEIVING, Setup, make_app
from dashboard_gateway.settings import DashboardSettings
from pinhole.runtime.http import client_session
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool
from pinhole.stack.kubo_node import KuboNode
from pinhole.stack.ports import unused_port
from tests.dashboard_gateway.receiving import centre as centres
from tests.dashboard_gateway.receiving.centre import Centre
from tests.dashboard_gateway.receiving.sending import Client, Sender, enrolled


class StartDashboard(Protocol):
    """The `start_dashboard` fixture."""

    async def __call__(self, parts: tuple[Setup, ...] = RECEIVING, **changes: Any) -> Client:
        """Start a dashboard of `parts` on this test's database; it ends with the test."""


@pytest.fixture
async def running() -> AsyncIterator[AsyncExitStack]:
    """What a test started, ended in reverse order."""
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def start_dashboard(postgres_dsn: str, running: AsyncExitStack) -> StartDashboard:
    """Start dashboards."""

    async def start(parts: tuple[Setup, ...] = RECEIVING, **changes: Any) -> Client:
        values = {"port": 0, "postgres_dsn": postgres_dsn, **changes}
        app = make_app(DashboardSettings.load(**values), parts)
        return await running.enter_async_context(TestClient(TestServer(app)))

    return start


@pytest.fixture
async def receiving(start_dashboard: StartDashboard) -> Client:
    """Give a dashboard that only receives: frames stay as they came."""
    return await start_dashboard()


@pytest.fixture
async def camera(pool: Pool, receiving: Client) -> Sender:
    """Give an enrolled camera with an Ed25519 key."""
    return await enrolled(pool, receiving)


@pytest.fixture
async def centre(
    *,
    pool: Pool,
    postgres_dsn: str,
    running: AsyncExitStack,
    start_dashboard: StartDashboard,
    hub_kubo: KuboNode,
    camera_kubo: KuboNode,
    demo_model: Path,
    tmp_path: Path,
) -> Centre:
    """Give a dashboard with its dispatcher, pinning and a detector beside it."""
    session = await running.enter_async_context(client_session())
    make_detector = partial(centres.detector, demo_model, hub_kubo, unused_port(), tmp_path)
    detector, yolo_token = await asyncio.to_thread(make_detector)
    pinning = centres.pinning(postgres_dsn, hub_kubo, unused_port())
    for neighbour in (pinning, detector):
        await centres.started(running, neighbour)
    settings = {
        "pinning_url": pinning.url,
        "pinning_token": await centres.service_token(pool),
        "yolo_url": detector.url,
        "yolo_token": yolo_token,
        "job_stale_after_s": 1,
        "pin_wait_s": 1,
    }
    return Centre(
        pool,
        await start_dashboard((*RECEIVING, *DISPATCHING), **settings),
        pinning,
        detector,
        KuboRpc(session, hub_kubo.rpc_url, token=hub_kubo.rpc_token),
        camera_kubo,
        KuboRpc(session, camera_kubo.rpc_url, token=camera_kubo.rpc_token),
        settings,
    )
