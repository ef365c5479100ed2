"""Every route has a declared check, and every role meets it."""

import re

import pytest
from aiohttp import web

from dashboard_gateway.access import ROUTES, Access
from dashboard_gateway.app import EVERYTHING, make_app
from dashboard_gateway.settings import DashboardSettings
from dashboard_gateway.viewers import Role
from pinhole.contract.scopes import Scope
from tests.dashboard_gateway.showing.conftest import Client, StartDashboard
from tests.support.gallery import Gallery, Shown


def routes_of(app: web.Application) -> set[tuple[str, str]]:
    """Return (method, path) of every route; HEAD goes with GET."""
    return {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }


async def test_every_route_has_a_declared_check_and_no_declaration_is_left_over() -> None:
    settings = DashboardSettings.load(postgres_dsn="postgresql://nobody@nowhere/none")
    assert routes_of(make_app(settings, EVERYTHING)) == set(ROUTES)


async def test_a_route_that_was_not_declared_answers_nobody(
    start_showing: StartDashboard, gallery: Gallery
) -> None:
    def forgotten(app: web.Application) -> None:
        app.router.add_get("/forgotten", handler)

    async def handler(request: web.Request) -> web.Response:
        del request
        return web.Response(text="secret")

    client = await start_showing((*EVERYTHING, forgotten))
    admin = await gallery.add_session("root", Role.ADMIN)
    answer = await client.get("/forgotten", headers=admin)
    assert answer.status == 500
    assert (await answer.json())["error"]["reason"] == "ROUTE_NOT_DECLARED"


def address(path: str, frame: Shown) -> str:
    """Fill a route's variables in with the frame's."""
    values = {"cid": frame.cid, "sha256": frame.cid.sha256, "frame_id": frame.frame_id}
    return re.sub(r"\{(\w+)\}", lambda match: str(values[match[1]]), path)


GETS = sorted(
    (path, access)
    for (method, path), access in ROUTES.items()
    if method == "GET" and access in (Access.PAGE, Access.DATA) and not path.endswith("/live")
)  # fmt: skip


@pytest.mark.parametrize(("path", "access"), GETS)
async def test_each_role_gets_what_its_grants_allow(
    showing: Client, gallery: Gallery, frame: Shown, path: str, access: Access
) -> None:
    url = address(path, frame)
    names_a_frame = "{" in path
    nobody = await showing.get(url, allow_redirects=False)
    assert nobody.status == (401 if access is Access.DATA else 303)
    if access is Access.PAGE:
        assert nobody.headers["Location"].startswith("/login")
    callers = {
        "admin": (await gallery.add_session("root", Role.ADMIN), True),
        "of the site": (await gallery.add_session("mayor", grants=["north"]), True),
        "of the camera": (await gallery.add_session("porter", grants=["north/gate-a"]), True),
        "of another site": (await gallery.add_session("guest", grants=["south"]), False),
    }
    if access is Access.DATA:
        callers["token"] = (await gallery.add_token("t1", cameras=["north"]), True)
        callers["token of another site"] = (await gallery.add_token("t2", cameras=["south"]), False)
    for name, (headers, may_see) in callers.items():
        answer = await showing.get(url, headers=headers, allow_redirects=False)
        if names_a_frame:
            assert answer.status == (200 if may_see else 404), name
        else:
            assert answer.status == 200, name
            # Lists answer everybody, with what the caller may see and nothing else.
            assert ("gate-a" in await answer.text()) == may_see, name


async def test_a_token_without_the_scope_reads_no_frames(
    showing: Client, gallery: Gallery, frame: Shown
) -> None:
    headers = await gallery.add_token("pins", scope=Scope.PINS_READ)
    for path in ("/api/v1/frames", f"/ipfs/{frame.cid}", "/api/v1/live"):
        assert (await showing.get(path, headers=headers)).status == 403


async def test_a_token_opens_no_page(showing: Client, gallery: Gallery) -> None:
    headers = await gallery.add_token("reader")
    answer = await showing.get("/explore", headers=headers, allow_redirects=False)
    assert answer.status == 303


async def test_a_fragment_without_a_session_leads_the_whole_page_to_the_log_in(
    showing: Client,
) -> None:
    answer = await showing.get(
        "/explore/more", headers={"HX-Request": "true"}, allow_redirects=False
    )
    assert answer.status == 401
    assert answer.headers["HX-Redirect"] == "/login"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/login", "/logout", "/password"])
async def test_a_form_of_another_origin_is_refused(
    showing: Client, gallery: Gallery, path: str, headers: dict[str, str]
) -> None:
    admin = await gallery.add_session("root", Role.ADMIN)
    answer = await showing.post(path, headers={**admin, **headers}, allow_redirects=False)
    assert answer.status == 403
    assert (await answer.json())["error"]["reason"] == "CROSS_ORIGIN"
    # The session was not ended by the forged request.
    assert (await showing.get("/api/v1/frames", headers=admin)).status == 200


async def test_an_unknown_path_is_not_found_for_everybody(
    showing: Client, gallery: Gallery
) -> None:
    admin = await gallery.add_session("root", Role.ADMIN)
    assert (await showing.get("/nowhere", headers=admin)).status == 404
    page = await showing.get("/nowhere", headers={"Accept": "text/html"})
    assert page.status == 404
    assert "Nothing here" in await page.text()
