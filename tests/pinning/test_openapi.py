"""The OpenAPI document: every route, the messages themselves, and requests made from it."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from pinhole.contract.pins import Pin, Status
from pinhole.contract.scopes import Scope
from pinning.filters import MAX_LIMIT, PARAMETERS, Match
from tests.pinning.conftest import Service, StartService

EVERYTHING = (Scope.PINS_READ, Scope.PINS_WRITE, Scope.PINS_SERVICE, Scope.BLOCKS_WRITE)


async def _document(service: Service) -> dict[str, Any]:
    async with service.session.get(f"{service.base}/openapi.json") as answer:
        assert answer.status == 200
        document = await answer.json()
    assert isinstance(document, dict)
    return document


async def test_the_document_has_every_route_and_no_other(service: Service) -> None:
    document = await _document(service)
    routes = {
        (route.method, route.resource.canonical)
        for route in service.app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    written = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    assert written == routes
    identities = [
        one["operationId"] for item in document["paths"].values() for one in item.values()
    ]
    assert len(set(identities)) == len(identities)


async def test_every_route_of_the_api_says_what_it_takes_answers_and_asks_for(
    service: Service,
) -> None:
    document = await _document(service)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if path.startswith("/pins"):
                assert operation["security"], (method, path)
                assert {"4XX", "5XX"} < set(operation["responses"]), (method, path)


async def test_bounds_and_words_are_those_that_the_service_checks(service: Service) -> None:
    document = await _document(service)
    listed = {one["name"]: one for one in document["paths"]["/pins"]["get"]["parameters"]}
    assert set(listed) == {parameter.name for parameter in PARAMETERS}
    assert listed["limit"]["schema"]["maximum"] == MAX_LIMIT
    assert listed["match"]["schema"]["enum"] == list(Match)
    assert listed["status"]["schema"]["items"]["enum"] == list(Status)
    pin = document["components"]["schemas"]["Pin"]
    assert set(pin["properties"]) == set(Pin.model_fields)
    assert pin["properties"]["meta"]["maxProperties"] == 1000
    wait_s = document["paths"]["/pins/batch"]["post"]["parameters"][0]
    assert wait_s["schema"]["maximum"] == 60


@pytest.mark.timeout(170)
async def test_schemathesis_finds_nothing(start_service: StartService, tmp_path: Path) -> None:
    """It makes requests from the document, good and bad, and holds the answers against it."""
    service = await start_service(max_wait_s=0.1, fetch_timeout_s=0.5)
    caller = await service.caller("schemathesis", *EVERYTHING)
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        *("--config-file", str(Path(__file__).with_name("schemathesis.toml"))),
        *("run", f"{service.base}/openapi.json"),
        *("--header", f"Authorization: {caller.headers['Authorization']}"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-6_000:]
