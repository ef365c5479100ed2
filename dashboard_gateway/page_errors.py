"""Errors as pages: what went wrong and what to do, for people who opened an address.

Programs get the JSON body of the contract instead (pinhole.runtime.http).
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from dashboard_gateway.rendering import render
from pinhole.contract.errors import PinholeError, Unavailable
from pinhole.runtime.postgres import OUTAGES

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_FOR_PROGRAMS: Final = ("/api/", "/ipfs/", "/static/", "/healthz", "/metrics", "/live")
_NO_DATABASE: Final = "the database does not answer; what cameras send waits with them"
_TITLES: Final = {
    403: "Not allowed",
    404: "Nothing here",
    410: "Gone",
    429: "Too much at once",
    503: "Not available now",
    504: "Not available now",
}


@dataclass(frozen=True)
class ErrorPage:
    """What error.html shows."""

    title: str
    sentence: str
    may_pass: bool
    """Trying again later may help."""


@web.middleware
async def page_error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn an error into a page where a person asked for one."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400 or not _wants_page(request):  # noqa: PLR2004 - redirects are answers
            raise
        return await _page(request, error.status, "there is no such page", may_pass=False)
    except PinholeError as error:
        if not _wants_page(request):
            raise
        may_pass = isinstance(error, Unavailable)
        return await _page(request, error.status, error.details, may_pass=may_pass)
    except OUTAGES:
        if not _wants_page(request):
            raise
        return await _page(request, 503, _NO_DATABASE, may_pass=True)
    except Exception:
        # The top of a request, as `error_middleware` is for programs.
        if not _wants_page(request):
            raise
        logger.exception("%s %s failed", request.method, request.path)
        sentence = "something went wrong here; it was logged"
        return await _page(request, 500, sentence, may_pass=True)


def _wants_page(request: web.Request) -> bool:
    is_program = request.path.startswith(_FOR_PROGRAMS) or "HX-Request" in request.headers
    return not is_program and "text/html" in request.headers.get("Accept", "")


async def _page(
    request: web.Request, status: int, sentence: str, *, may_pass: bool
) -> web.StreamResponse:
    title = _TITLES.get(status, "Something went wrong")
    page = ErrorPage(title, sentence[0].upper() + sentence[1:] + ".", may_pass)
    return await render(request, "error.html", page, status=status)
