"""What services say of themselves is repeated to the person who waits."""

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestServer

from pinhole.runtime.health import CHECKS
from pinhole.runtime.service import new_app
from pinhole.stack import health
from pinhole.stack.failure import StackFailure
from pinhole.stack.ports import unused_port


class Service:
    """A service with the runtime's own `/healthz`, ill for as long as `complaint` says why."""

    def __init__(self) -> None:
        self.complaint: str | None = None
        self.url = ""

    async def check(self) -> str | None:
        return self.complaint


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """Run a service."""
    service = Service()
    app = new_app("part")
    app[CHECKS]["postgres"] = service.check
    async with TestServer(app) as server:
        service.url = str(server.make_url("/healthz"))
        yield service


async def test_a_service_that_is_well_has_no_problem(service: Service) -> None:
    assert await health.problems({"part": service.url}) == {}


async def test_a_service_that_is_ill_is_quoted(service: Service) -> None:
    service.complaint = "PostgreSQL does not answer"
    said = await health.problems({"part": service.url})
    assert said == {"part": "postgres: PostgreSQL does not answer"}


async def test_a_service_that_is_away_is_said_to_be() -> None:
    said = await health.problems({"part": f"http://127.0.0.1:{unused_port()}/healthz"})
    assert said["part"].startswith("does not answer (")


async def test_waiting_ends_when_the_last_one_is_well(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_REPORT_EVERY_S", 0.0)
    service.complaint = "starting"

    def report(line: str) -> None:
        assert line == "waiting for part: postgres: starting"
        service.complaint = None

    await health.until_well({"part": service.url}, report)


async def test_waiting_in_vain_ends_with_what_the_service_says(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_WELL_WITHIN_S", 0.2)
    service.complaint = "no table"
    with pytest.raises(StackFailure, match="not well after 0 s: part: postgres: no table"):
        await health.until_well({"part": service.url}, lambda _: None)
