"""Many pins in one call: `POST /pins/batch?wait_s=`.

The answer comes when all are settled or `wait_s` has passed. A repeated batch finds its pins again
by (owner, CID, `meta.event_id`), so whoever crashed between call and answer just repeats it.
"""

import math
from typing import Final

from aiohttp import web

from pinhole.contract.errors import Refused
from pinhole.contract.pins import BatchPin, BatchPinRequest, BatchPinResult, BatchPinResults
from pinhole.contract.scopes import Scope
from pinhole.runtime.http import json_answer, json_body
from pinhole.runtime.openapi import Operation, Parameter, add_route
from pinning.callers import batch_owner, caller_of
from pinning.keys import PINS, PRESSURE, SETTINGS
from pinning.pins import Key
from pinning.store import Added, NewPin
from pinning.texts import check_storable

MAX_BODY_BYTES: Final = 4 * 2**20  # 500 pins with 8 KB of meta each


async def pin_batch(request: web.Request) -> web.Response:
    """Pin many CIDs of one camera, or of the caller's own; one result each, in order."""
    caller = await caller_of(request, Scope.PINS_WRITE)
    wait_s = _wait_s(request)
    batch = await json_body(request, BatchPinRequest, MAX_BODY_BYTES)
    owner = batch_owner(caller, batch.site, batch.camera)
    if owner.as_camera is None:
        request.app[PRESSURE].check(owner)
    pins = {_key(pin): _new_pin(pin) for pin in batch.pins}
    added = await request.app[PINS].add(owner, list(pins.values()), wait_s=wait_s)
    results = [_result(pin, added[_key(pin)]) for pin in batch.pins]
    return json_answer(BatchPinResults(results=results))


def _wait_s(request: web.Request) -> float:
    text = request.query.get("wait_s", "0")
    longest_s = request.app[SETTINGS].max_wait_s
    try:
        wait_s = float(text)
    except ValueError:
        wait_s = math.nan
    if not 0 <= wait_s <= longest_s:
        raise Refused(f"wait_s is a number of seconds from 0 to {longest_s:g}, got {text[:40]!r}")
    return wait_s


def _key(pin: BatchPin) -> Key:
    return pin.cid, pin.meta.get("event_id", "")


def _new_pin(pin: BatchPin) -> NewPin:
    check_storable("name", pin.name or "")
    check_storable("meta", *pin.meta, *pin.meta.values())
    return NewPin(
        cid=pin.cid,
        name=pin.name,
        meta=pin.meta,
        size_bytes=pin.size_bytes,
        batch_key=_key(pin)[1],
    )


def _result(pin: BatchPin, added: Added) -> BatchPinResult:
    outcome = added.outcome
    return BatchPinResult(
        cid=pin.cid,
        requestid=str(added.requestid),
        status=outcome.status,
        reason=outcome.reason,
        details=outcome.details,
        retryable=outcome.retryable,
    )


_OPERATION: Final = Operation(
    scope=Scope.PINS_WRITE,
    query=[
        Parameter(
            name="wait_s",
            schema=lambda app: {
                "type": "number",
                "minimum": 0,
                "maximum": app[SETTINGS].max_wait_s,
            },
            description="seconds to wait for the bytes",
        )
    ],
    body=BatchPinRequest,
    answers={200: BatchPinResults},
)


def add_routes(app: web.Application) -> None:
    """Add the batch route; before `/pins/{requestid}`, which would take its name for an id."""
    add_route(app, "POST", "/pins/batch", pin_batch, _OPERATION)
