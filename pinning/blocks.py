"""Bytes in, CID out: `POST /api/v1/blocks`, the one way into the hub beside the origin fetch.

Up to 2,096,896 bytes are one raw block, whose CID is their SHA-256; more become a tree. They are
bound to the caller, or to the owner that a service names, and kept 24 hours unless a pin claims
them.
"""

import asyncio
import hashlib
from typing import Final

from aiohttp import web

from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid
from pinhole.contract.errors import Busy, Gone, Unavailable, Unprocessable
from pinhole.contract.owners import Owner
from pinhole.contract.pins import BlockStored
from pinhole.contract.scopes import Scope
from pinhole.runtime.http import json_answer, read_limited
from pinhole.runtime.openapi import Operation, add_route
from pinning.callers import caller_of
from pinning.keeper import Kept
from pinning.keys import ATTEMPTS, HUB, KEEPER, SETTINGS, UPLOADS
from pinning.wants import PINNED, Arrival, NotKept, Reason, Source, Want

# Below this, hashing on the loop (0.3 ms) costs less than the way to a thread and back.
_HASH_HERE_BYTES: Final = 262_144


async def put_block(request: web.Request) -> web.Response:
    """Store a body's bytes; answer with their CID when they are pinned and written down."""
    caller = await caller_of(request, Scope.BLOCKS_WRITE)
    uploads = request.app[UPLOADS]
    if uploads.locked():
        raise Busy("too many uploads at once")
    async with uploads:
        data = await _read(request)
        sha256 = await _sha256(data)
        arrival = await _arrival(request, caller.owner, data, sha256)
        kept = await _keep(request, arrival)
    request.app[ATTEMPTS].tell(arrival.want, PINNED)
    stored = BlockStored(
        cid=arrival.want.cid, sha256=sha256.hex(), size_bytes=len(data), duplicate=kept.duplicate
    )
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


async def _sha256(data: bytes) -> bytes:
    if len(data) <= _HASH_HERE_BYTES:
        return hashlib.sha256(data).digest()
    return await asyncio.to_thread(lambda: hashlib.sha256(data).digest())


async def _arrival(request: web.Request, owner: Owner, data: bytes, sha256: bytes) -> Arrival:
    is_block = len(data) <= MAX_BLOCK_BYTES
    cid = Cid.from_sha256(sha256) if is_block else await request.app[HUB].root_of(data)
    return Arrival(
        want=Want(owner, cid),
        source=Source.PUSH,
        size_bytes=len(data),
        data=data,
        sha256=None if is_block else sha256,
        expires_after_s=request.app[SETTINGS].unclaimed_for.total_seconds(),
    )


async def _keep(request: web.Request, arrival: Arrival) -> Kept:
    try:
        return await request.app[KEEPER].keep(arrival)
    except NotKept as why:
        if why.reason is Reason.ERASED:
            raise Gone(why.details, reason=why.reason) from why
        raise Unavailable(why.details, reason=why.reason) from why


_OPERATION: Final = Operation(
    scope=Scope.BLOCKS_WRITE, body="application/octet-stream", answers={200: BlockStored}
)


def add_routes(app: web.Application) -> None:
    """Add the route for bytes."""
    add_route(app, "POST", "/api/v1/blocks", put_block, _OPERATION)
