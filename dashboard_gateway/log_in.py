"""Logging in, out, and changing the password: the pages and what their forms do."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web

from dashboard_gateway import passwords, sessions, throttle, users
from dashboard_gateway.access import VIEWERS, viewer_of
from dashboard_gateway.rendering import render
from dashboard_gateway.resources import POOL, SETTINGS
from dashboard_gateway.throttle import Attempt, TooManyAttempts
from dashboard_gateway.users import User
from pinhole.contract.errors import PinholeError, Unauthorized
from pinhole.runtime.http import read_limited

_MAX_FORM_BYTES: Final = 8192


class WrongPassword(Unauthorized):
    """Name or password is wrong; which one is not told."""

    reason = "WRONG_PASSWORD"


@dataclass(frozen=True)
class LogInPage:
    """What login.html shows."""

    name: str
    next_url: str
    problem: str | None


@dataclass(frozen=True)
class PasswordPage:
    """What password.html shows."""

    is_first: bool
    """The one-time password was used: nothing else works before it is changed."""
    problem: str | None
    min_length: int = passwords.MIN_LENGTH


def add_routes(app: web.Application) -> None:
    """Add the routes of logging in and out."""
    app.router.add_get("/login", show)
    app.router.add_post("/login", log_in)
    app.router.add_post("/logout", log_out)
    app.router.add_get("/password", show_password)
    app.router.add_post("/password", change_password)


async def show(request: web.Request) -> web.Response:
    """Answer `GET /login`."""
    return await render(
        request, "login.html", LogInPage("", _safe_next(request.query.get("next", "")), None)
    )


async def log_in(request: web.Request) -> web.Response:
    """Answer `POST /login`: a session, or the form again with what was wrong."""
    form = await _form(request)
    name, next_url = form.get("name", "").strip(), _safe_next(form.get("next", ""))
    try:
        user = await _authenticated(request, name, form.get("password", ""))
    except PinholeError as error:
        page = LogInPage(name[: users.MAX_NAME_LENGTH], next_url, error.details)
        response = await render(request, "login.html", page, status=error.status)
        if isinstance(error, TooManyAttempts):
            response.headers["Retry-After"] = str(round(error.retry_after_s) + 1)
        return response
    return await _welcome(request, user, next_url)


async def _authenticated(request: web.Request, name: str, password: str) -> User:
    pool = request.app[POOL]
    if not 0 < len(name) <= users.MAX_NAME_LENGTH or len(password) > passwords.MAX_LENGTH:
        raise WrongPassword("name or password is wrong")
    attempt = Attempt(name, address_of(request))
    await throttle.count(pool, attempt)
    user = await users.find(pool, name)
    right = await passwords.verify(password, user.password_hash if user else None)
    if user is None or not right:
        raise WrongPassword("name or password is wrong")
    await throttle.forgive(pool, attempt)
    return user


async def _welcome(request: web.Request, user: User, next_url: str) -> web.Response:
    """Start a session: always a new one, so that a planted cookie is worth nothing."""
    pool, settings = request.app[POOL], request.app[SETTINGS]
    await sessions.delete_expired(pool)
    name = sessions.cookie_name(secure=settings.is_https)
    old = sessions.secret_of(request, name)
    if old is not None:
        await sessions.delete(pool, old)
    secret = await sessions.create(pool, user.user_id, settings.session_lifetime)
    response = web.HTTPSeeOther(next_url)
    response.set_cookie(
        name,
        secret,
        max_age=int(settings.session_lifetime.total_seconds()),
        path="/",
        httponly=True,
        secure=settings.is_https,
        samesite="Lax",
    )
    raise response


async def log_out(request: web.Request) -> web.Response:
    """Answer `POST /logout`: the session ends everywhere, and the browser drops its pictures."""
    name = sessions.cookie_name(secure=request.app[SETTINGS].is_https)
    secret = sessions.secret_of(request, name)
    if secret is not None:
        await sessions.delete(request.app[POOL], secret)
        request.app[VIEWERS].clear()  # here at once; elsewhere when the notice comes
    response = web.HTTPSeeOther("/login")
    response.del_cookie(name, path="/", secure=request.app[SETTINGS].is_https)
    response.headers["Clear-Site-Data"] = '"cache"'
    raise response


async def show_password(request: web.Request) -> web.Response:
    """Answer `GET /password`."""
    viewer = viewer_of(request)
    page = PasswordPage(viewer.must_change_password, None)
    return await render(request, "password.html", page, viewer=viewer)


async def change_password(request: web.Request) -> web.Response:
    """Answer `POST /password`: the new one holds, every other session of the user ends."""
    viewer = viewer_of(request)
    form = await _form(request)
    try:
        user = await _authenticated(request, viewer.name, form.get("password", ""))
        new = form.get("new_password", "")
        passwords.check_new(new, name=viewer.name, old=form.get("password", ""))
    except PinholeError as error:
        wrong_old = isinstance(error, WrongPassword)
        problem = "the present password is wrong" if wrong_old else error.details
        page = PasswordPage(viewer.must_change_password, problem)
        return await render(request, "password.html", page, viewer=viewer, status=422)
    pool = request.app[POOL]
    new_hash = await passwords.hash_of(new)
    async with pool.acquire() as connection, connection.transaction():
        await users.set_password(connection, user.name, new_hash, must_change=False)
        await sessions.delete_all(connection, user.user_id)
    request.app[VIEWERS].clear()
    return await _welcome(request, user, "/")


async def _form(request: web.Request) -> dict[str, str]:
    """Return the fields of a small form.

    Raises:
        TooLarge: nobody's name and password are that long.
    """
    body = await read_limited(request, _MAX_FORM_BYTES)
    text = body.decode("utf-8", errors="replace")
    return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=16))


def _safe_next(url: str) -> str:
    """Return `url` where it is a path of our own, else the wall: never lead elsewhere."""
    is_ours = url.startswith("/") and not url.startswith(("//", "/\\")) and url.isprintable()
    return url if is_ours and len(url) < _MAX_FORM_BYTES else "/"


def address_of(request: web.Request) -> str:
    """Return the address that log-ins are counted for: the peer's, or what a known proxy says."""
    peer = request.remote or ""
    forwarded = request.headers.get("X-Forwarded-For", "").rsplit(",", 1)[-1].strip()
    try:
        networks = request.app[SETTINGS].trusted_proxies
        if forwarded and any(ip_address(peer) in network for network in networks):
            return str(ip_address(forwarded))
    except ValueError:
        pass
    return peer
