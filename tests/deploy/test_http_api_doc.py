"""docs/http-api.md: every route of every service, and no other."""

import re
from collections.abc import Callable

import pytest
from aiohttp import web

import dashboard_gateway.app
import pinning.app
import yolo_fetcher.app
from dashboard_gateway.settings import DashboardSettings
from pinhole.contract.scopes import Scope
from pinning.settings import PinningSettings
from tests.deploy.composition import ROOT
from yolo_fetcher.settings import YoloSettings

DOCUMENT = (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8")
_ROUTE = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`?\s]*)`")
_DSN = "postgresql://nobody@nowhere/nothing"

APPS: dict[str, Callable[[], web.Application]] = {
    "dashboard_gateway": lambda: dashboard_gateway.app.make_app(
        DashboardSettings.load(postgres_dsn=_DSN)
    ),
    "pinning": lambda: pinning.app.make_app(PinningSettings.load(postgres_dsn=_DSN)),
    "yolo_fetcher": lambda: yolo_fetcher.app.make_app(YoloSettings.load(tokens_file="/dev/null")),
}
SHARED = {("GET", "/healthz"), ("GET", "/metrics")}


def documented(service: str) -> set[tuple[str, str]]:
    section = DOCUMENT.split(f"\n## {service}\n")[1].split("\n## ")[0]
    return set(_ROUTE.findall(section)) | SHARED


@pytest.mark.parametrize("service", APPS)
def test_every_route_is_documented_and_every_documented_route_exists(service: str) -> None:
    routes = {
        (route.method, route.resource.canonical)
        for route in APPS[service]().router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert documented(service) == routes


@pytest.mark.parametrize("service", APPS)
def test_a_route_that_answers_get_answers_head(service: str) -> None:
    routes = {
        (route.method, route.resource.canonical)
        for route in APPS[service]().router.routes()
        if route.resource is not None
    }
    assert {path for method, path in routes if method == "GET"} == {
        path for method, path in routes if method == "HEAD"
    }


def test_the_shared_routes_are_told_once() -> None:
    shared = DOCUMENT.split("\n## What all share\n")[1].split("\n## ")[0]
    assert set(_ROUTE.findall(shared)) >= SHARED


def test_every_scope_that_it_names_exists() -> None:
    named = set(re.findall(r"`([a-z]+:[a-z]+)`", DOCUMENT))
    assert named
    assert named <= {str(scope) for scope in Scope}
