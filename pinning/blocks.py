"""Bytes in, CID out: `POST /api/v1/blocks`, the one way into the hub beside the origin fetch.

Up to 2,096,896 bytes are one raw block, whose CID is their SHA-256; more become a tree. They are
bound to the caller, or to the owner that a service names, and kept 24 hours unless a pin claims
them. `GET /api/v1/blocks/{cid}` gives an owner its bytes again, wherever they are stored.
"""

import asyncio
from typing import Final

from aiohttp import web

from pinhole.contract.cid import Cid
from pinhole.contract.errors import Busy, Unavailable, Unprocessable
from pinhole.contract.pins import BlockStored
from pinhole.contract.scopes import Scope
from pinhole.runtime import hashing
from pinhole.runtime.http import json_answer, read_limited
from pinhole.runtime.openapi import Operation, add_route
from pinning.callers import caller_of
from pinning.keys import ATTEMPTS, PRESSURE, SETTINGS, STORES, UPLOADS
from pinning.stores import Push
from pinning.wants import PINNED, Want

# Whatever somebody stored, it is nothing that a browser shows or a shared cache keeps.
_AS_BYTES: Final = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
}


async def put_block(request: web.Request) -> web.Response:
    """Store a body's bytes; answer with their CID when they are pinned and written down."""
    caller = await caller_of(request, Scope.BLOCKS_WRITE)
    request.app[PRESSURE].check(caller.owner)
    uploads = request.app[UPLOADS]
    if uploads.locked():
        raise Busy("too many uploads at once")
    async with uploads:
        data = await _read(request)
        sha256 = await hashing.sha256(data)
        stored = await request.app[STORES].store(Push(caller.owner, data, sha256))
    request.app[ATTEMPTS].tell(Want(caller.owner, stored.cid), PINNED)
    return json_answer(stored)


async def _read(request: web.Request) -> bytes:
    settings = request.app[SETTINGS]
    try:
        async with asyncio.timeout(settings.upload_timeout_s):
            data = await read_limited(request, settings.max_upload_bytes)
    except TimeoutError as error:
        raise Unavailable(
            f"the body did not come whole within {settings.upload_timeout_s:g} s",
            reason="UPLOAD_TIMEOUT",
        ) from error
    if not data:
        raise Unprocessable("the body is empty", reason="EMPTY_BODY")
    return data


async def get_block(request: web.Request) -> web.Response:
    """Answer with bytes that the caller stored, verified; of others' it learns nothing."""
    caller = await caller_of(request, Scope.PINS_READ)
    cid = Cid.parse(request.match_info["cid"])
    data = await request.app[STORES].fetch(Want(caller.owner, cid))
    return web.Response(body=data, content_type="application/octet-stream", headers=_AS_BYTES)


_OPERATION: Final = Operation(
    scope=Scope.BLOCKS_WRITE, body="application/octet-stream", answers={200: BlockStored}
)


def add_routes(app: web.Application) -> None:
    """Add the routes for bytes."""
    add_route(app, "POST", "/api/v1/blocks", put_block, _OPERATION)
    app.router.add_get("/api/v1/blocks/{cid}", get_block)
