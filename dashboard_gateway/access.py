"""Who may call what: every route of the dashboard, in one place.

A route that is not in `ROUTES` answers nobody: forgetting it fails closed, and a test. What a
caller may *see* is decided further in, on the object (viewers.py, permission.py, search.py).
"""

from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import Final
from urllib.parse import quote, urlsplit

from aiohttp import web

from dashboard_gateway import sessions
from dashboard_gateway.resources import SETTINGS
from dashboard_gateway.viewers import Viewer, Viewers
from pinhole.contract.errors import Forbidden, PinholeError, Unauthorized
from pinhole.contract.scopes import Scope
from pinhole.runtime.tokens import bearer_of, hash_of, require

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
VIEWERS = web.AppKey("viewers", Viewers)

_VIEWER: Final = web.RequestKey("viewer", Viewer)
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Access(Enum):
    """What a route asks of its caller before its handler runs."""

    PUBLIC = auto()
    """Nothing: what it shows is no secret."""
    HANDLER = auto()
    """The handler itself asks, for a camera's signature or a service's token."""
    LOG_IN = auto()
    """Nothing yet, but a browser must have sent the form from our own page."""
    SESSION = auto()
    """A logged-in user, also one whose one-time password must still be changed."""
    PAGE = auto()
    """A logged-in user; anybody else is led to the log-in."""
    DATA = auto()
    """A logged-in user, or a bearer token with `frames:read`."""


ROUTES: Final[dict[tuple[str, str], Access]] = {
    # Machines.
    ("GET", "/healthz"): Access.PUBLIC,
    ("GET", "/metrics"): Access.HANDLER,
    ("POST", "/api/v1/events"): Access.HANDLER,
    ("POST", "/api/v1/blocks"): Access.HANDLER,
    ("POST", "/api/v1/results"): Access.HANDLER,
    # People.
    ("GET", "/static/{version}/{path}"): Access.PUBLIC,
    ("GET", "/login"): Access.PUBLIC,
    ("POST", "/login"): Access.LOG_IN,
    ("POST", "/logout"): Access.SESSION,
    ("GET", "/password"): Access.SESSION,
    ("POST", "/password"): Access.SESSION,
    ("GET", "/"): Access.PAGE,
    ("GET", "/live"): Access.PAGE,
    ("GET", "/explore"): Access.PAGE,
    ("GET", "/explore/more"): Access.PAGE,
    ("GET", "/frames/{frame_id}"): Access.PAGE,
    ("GET", "/cameras"): Access.PAGE,
    # Both.
    ("GET", "/ipfs/{cid}"): Access.DATA,
    ("GET", "/api/images/hash/{sha256}"): Access.DATA,
    ("GET", "/api/v1/frames"): Access.DATA,
    ("GET", "/api/v1/frames/{frame_id}"): Access.DATA,
    ("GET", "/api/v1/cameras"): Access.DATA,
    ("GET", "/api/v1/live"): Access.DATA,
}


class NotDeclared(PinholeError):
    """A route has no entry in `ROUTES`."""

    reason = "ROUTE_NOT_DECLARED"


class PasswordChangeRequired(Forbidden):
    """The one-time password was used; nothing else works before another is set."""

    reason = "PASSWORD_CHANGE_REQUIRED"


class CrossOrigin(Forbidden):
    """A browser sent this from another site's page."""

    reason = "CROSS_ORIGIN"


def viewer_of(request: web.Request) -> Viewer:
    """Return the caller, on routes whose access is SESSION, PAGE or DATA."""
    return request[_VIEWER]


@web.middleware
async def access_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Ask of the caller what the route's entry in `ROUTES` says."""
    resource = request.match_info.route.resource
    if resource is None:  # no such route: the handler answers 404 or 405
        return await handler(request)
    method = "GET" if request.method == "HEAD" else request.method
    match ROUTES.get((method, resource.canonical)):
        case Access.PUBLIC | Access.HANDLER:
            pass
        case Access.LOG_IN:
            check_same_origin(request)
        case Access.DATA:
            request[_VIEWER] = await caller_of(request)
        case Access.PAGE | Access.SESSION as access:
            viewer = await _logged_in(request)
            if viewer is None:
                return _to_log_in(request)
            if viewer.must_change_password and access is Access.PAGE:
                raise web.HTTPSeeOther("/password")
            request[_VIEWER] = viewer
        case None:
            raise NotDeclared(f"{method} {resource.canonical} is not in access.ROUTES")
    return await handler(request)


async def caller_of(request: web.Request) -> Viewer:
    """Return who asks for data, by bearer token or session, looked up now.

    Raises:
        Unauthorized: neither, or no longer valid.
        Forbidden: a token without `frames:read`, or a password that must be changed first.
    """
    secret = bearer_of(request) if "Authorization" in request.headers else None
    if secret is not None:
        token = await require(request, Scope.FRAMES_READ, Scope.ADMIN)
        return await request.app[VIEWERS].of_token(hash_of(secret), token)
    viewer = await _logged_in(request)
    if viewer is None:
        raise Unauthorized("log in, or send a bearer token with the scope frames:read")
    if viewer.must_change_password:
        raise PasswordChangeRequired("change the one-time password first")
    return viewer


async def _logged_in(request: web.Request) -> Viewer | None:
    name = sessions.cookie_name(secure=request.app[SETTINGS].is_https)
    secret = sessions.secret_of(request, name)
    if secret is None:
        return None
    viewer = await request.app[VIEWERS].of_session(sessions.hash_of(secret))
    if viewer is not None and request.method not in _SAFE_METHODS:
        check_same_origin(request)
    return viewer


def check_same_origin(request: web.Request) -> None:
    """Refuse a form or script of another origin; browsers always say where a POST comes from.

    Together with SameSite=Lax this is the defence against forged requests. Source: OWASP, "Cross-
    Site Request Forgery Prevention", verifying origin with standard headers; Fetch Metadata.

    Raises:
        CrossOrigin: another origin, or a client that names none.
    """
    if request.headers.get("Sec-Fetch-Site") == "same-origin":
        return
    origin = request.headers.get("Origin")
    public = request.app[SETTINGS].public_url
    ours = {request.headers.get("Host", "")} | ({urlsplit(public).netloc} if public else set())
    if origin is None or urlsplit(origin).netloc not in ours:
        raise CrossOrigin(f"the request comes from {origin or 'an unnamed origin'}")


def _to_log_in(request: web.Request) -> web.Response:
    """Lead to the log-in, and from there back here."""
    if "HX-Request" in request.headers:
        # A fragment is no place for a log-in page: htmx takes the whole page there.
        return web.Response(
            status=401, headers={"HX-Redirect": "/login", "Cache-Control": "no-store"}
        )
    back = ""
    if request.method == "GET" and request.path != "/":
        back = f"?next={quote(request.path_qs, safe='')}"
    raise web.HTTPSeeOther(f"/login{back}")
