"""What every HTTP service shares: errors as bodies, bounded reading, JSON in and out."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Final, TypeVar

import aiohttp
from aiohttp import web
from aiohttp.http import HttpProcessingError
from prometheus_client import Histogram
from pydantic import BaseModel, ValidationError

from pinhole.contract.errors import (
    ErrorBody,
    ErrorDetail,
    PinholeError,
    Refused,
    TooLarge,
    Unavailable,
    Unprocessable,
)
from pinhole.runtime.metrics import REQUEST_SECONDS

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
M = TypeVar("M", bound=BaseModel)

SERVICE_NAME = web.AppKey("service_name", str)
_NO_STORE: Final = {"Cache-Control": "no-store"}
_REASONS: Final = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "TOO_LARGE"}


@lru_cache(maxsize=4096)
def _seconds_of(service: str, route: str, status: int) -> Histogram:
    """Return the histogram of these labels; prometheus_client's own look-up costs 4 µs."""
    return REQUEST_SECONDS.labels(service, route, status)


def error_response(error: PinholeError) -> web.Response:
    """Return the answer for `error`: its status, its body, and Retry-After where it may pass."""
    headers = dict(_NO_STORE)
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if error.status == 401:  # noqa: PLR2004 - the status itself
        headers["WWW-Authenticate"] = 'Bearer realm="pinhole"'
    return web.Response(
        body=ErrorBody.of(error).wire(),
        status=error.status,
        headers=headers,
        content_type="application/json",
    )


@web.middleware
async def error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into the body of the contract, and time every request."""
    started = time.perf_counter()
    status = 500
    try:
        response = await handler(request)
        status = response.status
    except PinholeError as error:
        status = error.status
        return error_response(error)
    except web.HTTPException as error:
        status = error.status
        if error.status < 400:  # noqa: PLR2004 - redirects are answers, not errors
            raise
        reason = _REASONS.get(error.status, "HTTP_ERROR")
        detail = ErrorDetail(reason=reason, details=f"{request.method} {request.path}: {error}")
        error.text = ErrorBody(error=detail).wire().decode()
        error.content_type = "application/json"
        error.headers.update(_NO_STORE)
        raise
    except Exception:
        # The top of a request: whatever it is, the caller gets the contract's body.
        logger.exception("%s %s failed", request.method, request.path)
        return error_response(PinholeError("something went wrong here; it was logged"))
    else:
        return response
    finally:
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "unknown"
        service = request.app.get(SERVICE_NAME, "unknown")
        _seconds_of(service, route, status).observe(time.perf_counter() - started)


CUT_OFF: Final = (
    asyncio.IncompleteReadError,
    ConnectionError,
    aiohttp.ClientPayloadError,
    web.RequestPayloadError,
    HttpProcessingError,
)
"""What aiohttp raises where a body ends early, or is not encoded as its headers say."""


class BodyCutOff(Refused):
    """The body ended before its end; whoever sent it is gone, or speaks no HTTP."""

    reason = "BODY_CUT_OFF"


async def read_limited(request: web.Request, limit_bytes: int) -> bytes:
    """Return the body of a request; nothing beyond the limit is read.

    Raises:
        TooLarge: Content-Length or the body itself exceeds `limit_bytes`.
        BodyCutOff: less came than was announced.
    """
    announced = request.content_length
    if announced is not None and announced > limit_bytes:
        raise TooLarge(f"the body has {announced} bytes, the limit is {limit_bytes}")
    try:
        if announced is not None:
            return await request.content.readexactly(announced) if announced else b""
        return await _read_chunks(request, limit_bytes)
    except CUT_OFF as error:
        raise BodyCutOff(f"the body ended early: {error}") from error


async def _read_chunks(request: web.Request, limit_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in request.content.iter_chunked(65536):
        body += chunk
        if len(body) > limit_bytes:
            raise TooLarge(f"the body exceeds the limit of {limit_bytes} bytes")
    return bytes(body)


async def json_body(request: web.Request, model: type[M], limit_bytes: int) -> M:
    """Return the body as `model`.

    Raises:
        TooLarge: see `read_limited`.
        Unprocessable: it is no such message; the sentence names the first wrong field.
    """
    body = await read_limited(request, limit_bytes)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(step) for step in first["loc"]) or "body"
        raise Unprocessable(f"{path}: {first['msg'].removeprefix('Value error, ')}") from error


def json_answer(model: BaseModel, *, status: int = 200) -> web.Response:
    """Return `model` as a JSON answer, absent fields left out."""
    return web.Response(
        body=model.model_dump_json(exclude_none=True).encode(),
        status=status,
        content_type="application/json",
    )


def client_session(
    *, total_timeout_s: float = 30, connect_timeout_s: float = 3, connections: int = 100
) -> aiohttp.ClientSession:
    """Return a session for calls between services: bounded in time and connections, no proxies.

    Raises nothing; the caller closes it.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=60),
        timeout=aiohttp.ClientTimeout(total=total_timeout_s, connect=connect_timeout_s),
        trust_env=False,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    )
