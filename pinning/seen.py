"""What a detector saw, told to the pins of its frames: `POST /api/v1/seen`.

A frame is named by its CID and event, as in the batch that pinned it: who tells need not have kept
requestids. It is written into `meta`, as PATCH /pins/meta would, so policies see it at once.
"""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from pinhole.contract.owners import Owner
from pinhole.contract.pins import SeenFrame, SeenRequest, SeenResult
from pinhole.contract.scopes import Scope
from pinhole.runtime.http import json_answer, json_body
from pinhole.runtime.openapi import Operation, add_route
from pinhole.runtime.postgres import Pool
from pinning import store
from pinning.callers import batch_owner, caller_of
from pinning.keys import POOL
from pinning.locks import lock

MAX_BODY_BYTES: Final = 4 * 2**20


async def put_seen(request: web.Request) -> web.Response:
    """Write what was seen into the pins of many frames; the same again changes nothing."""
    caller = await caller_of(request, Scope.PINS_WRITE)
    asked = await json_body(request, SeenRequest, MAX_BODY_BYTES)
    owner = batch_owner(caller, asked.site, asked.camera)
    return json_answer(await write(request.app[POOL], owner, asked.frames))


async def write(pool: Pool, owner: Owner, frames: Sequence[SeenFrame]) -> SeenResult:
    """Write what was seen in frames of `owner`, all or none; say how many pins that changed."""
    by_key = {(frame.cid.binary, str(frame.event_id)): frame for frame in frames}
    async with pool.acquire() as connection, connection.transaction():
        await lock(connection, [frame.cid for frame in frames])
        pins = await store.find_by_keys(connection, owner, list(by_key))
        metas = await store.metas(connection, owner, list(pins))
        changed = {
            requestid: meta
            for requestid, key in pins.items()
            if (meta := metas[requestid] | _meta(by_key[key])) != metas[requestid]
        }
        if changed:
            await store.write_metas(connection, owner, changed)
    return SeenResult(changed=len(changed), unknown=len(by_key) - len(pins))


def _meta(frame: SeenFrame) -> dict[str, str]:
    meta = {"classes": ",".join(sorted(set(frame.classes)))}
    if frame.max_confidence is not None:
        # Nine digits give a `real` back as it was.
        meta["max_confidence"] = f"{frame.max_confidence:.9g}"
    return meta


_OPERATION: Final = Operation(scope=Scope.PINS_WRITE, body=SeenRequest, answers={200: SeenResult})


def add_routes(app: web.Application) -> None:
    """Add the route."""
    add_route(app, "POST", "/api/v1/seen", put_seen, _OPERATION)
