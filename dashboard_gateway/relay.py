"""Bytes that cameras push: `POST /api/v1/blocks`, handed on to pinning under the camera's name.

The header `Pinhole-Source` names the camera, and the signature is over the bytes: they are in
memory, a bounded number at once, until pinning has them. Frames that waited for them go on at once.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from dashboard_gateway.clients import NeighbourUnavailable, RequestRefused
from dashboard_gateway.ingest_metrics import PUSHED_BYTES, REFUSED
from dashboard_gateway.receive import ROSTER
from dashboard_gateway.resources import PINNING, SETTINGS, WRITERS
from dashboard_gateway.revival import revive_pushed
from dashboard_gateway.verification import SOURCE_HEADER, verified_sender
from pinhole.contract.errors import Busy, Gone, PinholeError, TooLarge, Unavailable, Unprocessable
from pinhole.contract.owners import Owner
from pinhole.contract.pins import BlockStored
from pinhole.runtime.http import json_answer, read_limited

PATH: Final = "/api/v1/blocks"

RELAYS = web.AppKey("relays", asyncio.Semaphore)


def setup(app: web.Application) -> None:
    """Add the route."""
    app.cleanup_ctx.append(_relays)
    app.router.add_post(PATH, relay)


async def _relays(app: web.Application) -> AsyncIterator[None]:
    app[RELAYS] = asyncio.Semaphore(app[SETTINGS].relays_at_once)
    yield


async def relay(request: web.Request) -> web.Response:
    """Hand a camera's bytes to pinning and answer with their CID."""
    try:
        if request.app[RELAYS].locked():
            raise Busy("too many pushed frames are on their way")
        async with request.app[RELAYS]:
            return json_answer(await _relay(request))
    except PinholeError as error:
        REFUSED.labels(error.reason).inc()
        raise


async def _relay(request: web.Request) -> BlockStored:
    body = await read_limited(request, request.app[SETTINGS].max_block_bytes)
    source = request.headers.get(SOURCE_HEADER)
    camera = await verified_sender(request.app[ROSTER], source, request.headers, body)
    if not body:
        raise Unprocessable("the body is empty", reason="EMPTY_BODY")
    try:
        stored = await request.app[PINNING].put_block(Owner.camera(camera.site, camera.name), body)
    except NeighbourUnavailable as error:
        raise Unavailable(error.details, retry_after_s=error.retry_after_s) from error
    except RequestRefused as error:
        raise _refusal(error) from error
    PUSHED_BYTES.inc(len(body))
    await revive_pushed(request.app[WRITERS], camera.camera_id, stored.cid)
    return stored


def _refusal(error: RequestRefused) -> PinholeError:
    match error.reason:
        case "ERASED":
            return Gone(error.details, reason=error.reason)
        case "TOO_LARGE":
            return TooLarge(error.details)
        case reason:
            return Unprocessable(error.details, reason=reason)
