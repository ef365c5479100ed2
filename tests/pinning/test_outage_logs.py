"""An outage of PostgreSQL is a line in the log when it begins, not a traceback each second."""

import logging
from collections import Counter

import pytest

from pinhole.runtime.health import SUPERVISOR
from tests.pinning.conftest import Caller, Service
from tests.support.databases import Databases
from tests.support.outages import no_postgres
from tests.support.polling import Eventually


async def test_an_outage_is_told_once_by_each_part_and_without_tracebacks(
    *,
    service: Service,
    dispatcher: Caller,
    postgres_databases: Databases,
    postgres_dsn: str,
    caplog: pytest.LogCaptureFixture,
    eventually: Eventually,
) -> None:
    supervisor = service.app[SUPERVISOR]

    def restarts() -> int:
        return sum(pulse.restarts for pulse in supervisor.pulses.values())

    caplog.set_level("INFO")
    async with no_postgres(postgres_databases, postgres_dsn):
        # The worker and both lanes of releasing, each started anew several times.
        await eventually(lambda: restarts() >= 6, timeout_s=20)
        for _ in range(3):
            status, _ = await dispatcher.call("GET", "/pins")
            assert status == 503

    assert not [record.getMessage() for record in caplog.records if record.exc_info]
    warnings = [r for r in caplog.records if r.levelno >= logging.WARNING]
    told = Counter(record.getMessage().partition(":")[0] for record in warnings)
    assert {"worker waits", "releaser-1 waits", "releaser-2 waits"} <= set(told)
    assert max(told.values()) == 1, told
