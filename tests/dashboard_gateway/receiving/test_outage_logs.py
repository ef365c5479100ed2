"""An outage of PostgreSQL is a line in the log when it begins, not a traceback each second."""

import logging
from collections import Counter

import pytest

from dashboard_gateway.app import EVERYTHING
from pinhole.runtime.health import SUPERVISOR
from pinhole.runtime.postgres import Pool
from tests.dashboard_gateway.receiving.conftest import StartDashboard
from tests.dashboard_gateway.receiving.sending import Client, enrolled
from tests.support.databases import Databases
from tests.support.outages import no_postgres
from tests.support.polling import Eventually

TOKEN = {"Authorization": "Bearer pnh_" + "x" * 43}
PERSON = {"Accept": "text/html", "Cookie": "pinhole_session=" + "x" * 43}


async def status_of(client: Client, path: str, headers: dict[str, str]) -> int:
    async with client.get(path, headers=headers, allow_redirects=False) as response:
        return response.status


async def test_an_outage_is_told_once_by_each_part_and_without_tracebacks(
    *,
    start_dashboard: StartDashboard,
    postgres_databases: Databases,
    postgres_dsn: str,
    pool: Pool,
    caplog: pytest.LogCaptureFixture,
    eventually: Eventually,
) -> None:
    client = await start_dashboard(EVERYTHING)
    camera = await enrolled(pool, client)
    assert (await camera.send(camera.frame())).status == 202
    assert client.app is not None
    supervisor = client.app[SUPERVISOR]

    def restarts() -> int:
        return sum(pulse.restarts for pulse in supervisor.pulses.values())

    caplog.set_level("INFO")
    async with no_postgres(postgres_databases, postgres_dsn):
        for _ in range(3):
            assert (await camera.send(camera.heartbeat())).status == 503
            assert await status_of(client, "/api/v1/frames", TOKEN) == 503
            assert await status_of(client, "/explore", PERSON) == 503
        # Several parts, each started anew several times.
        await eventually(lambda: restarts() >= 12, timeout_s=20)

    assert not [record.getMessage() for record in caplog.records if record.exc_info]
    warnings = [r for r in caplog.records if r.levelno >= logging.WARNING]
    told = Counter(record.getMessage().partition(":")[0] for record in warnings)
    assert {"notices waits", "dispatch waits"} <= set(told)
    assert max(told.values()) == 1, told
