"""The Pinning Service API 1.0.0: `/pins` and `/pins/{requestid}`, in its exact words."""

from dataclasses import replace
from typing import Final
from uuid import UUID

from aiohttp import web

from pinhole.contract.cid import Cid
from pinhole.contract.errors import NotFound, Refused, Unprocessable
from pinhole.contract.pins import Pin, PinResults, PinStatus, Status
from pinhole.contract.scopes import Scope
from pinhole.runtime.http import json_answer, json_body
from pinhole.runtime.openapi import Operation, add_route
from pinhole.runtime.tokens import Token
from pinning.callers import caller_of
from pinning.clients import allowed_origins, lists_unfinished
from pinning.filters import PARAMETERS, Filter
from pinning.keys import HUB, NETWORKS, PINS, POOL, PRESSURE, SETTINGS
from pinning.listing import page
from pinning.store import NewPin, StoredPin
from pinning.texts import check_storable

MAX_BODY_BYTES: Final = 2**20  # 1,000 meta keys with a kilobyte each
MAX_DELEGATES: Final = 20
COUNT_HEADER: Final = "Pinhole-Count"
"""Says whether the count of a list is `exact` or an `estimate`."""


async def list_pins(request: web.Request) -> web.Response:
    """Answer with a page of the caller's pins, newest first."""
    caller = await caller_of(request, Scope.PINS_READ)
    unfinished = lists_unfinished(caller.token)
    wanted = Filter.of(
        request.query, default_statuses=list(Status) if unfinished else [Status.PINNED]
    )
    found = await page(request.app[POOL], caller.owner, wanted)
    results = [_status(request, pin) for pin in found.pins]
    answer = json_answer(PinResults(count=found.count, results=results))
    answer.headers[COUNT_HEADER] = "exact" if found.is_exact else "estimate"
    return answer


async def add_pin(request: web.Request) -> web.Response:
    """Add a pin. The same CID again is another pin, with another requestid."""
    caller = await caller_of(request, Scope.PINS_WRITE)
    request.app[PRESSURE].check(caller.owner)
    new = await _new_pin(request, caller.token)
    pins = request.app[PINS]
    (added,) = (await pins.add(caller.owner, [new])).values()
    pin = await pins.get(caller.owner, added.requestid)
    return json_answer(_status(request, pin), status=202)


async def get_pin(request: web.Request) -> web.Response:
    """Answer with one of the caller's pins."""
    caller = await caller_of(request, Scope.PINS_READ)
    pin = await request.app[PINS].get(caller.owner, _requestid(request))
    return json_answer(_status(request, pin))


async def replace_pin(request: web.Request) -> web.Response:
    """Replace a pin: a new requestid, and the old one is not found any more."""
    caller = await caller_of(request, Scope.PINS_WRITE)
    request.app[PRESSURE].check(caller.owner)
    new = await _new_pin(request, caller.token)
    pin = await request.app[PINS].replace(caller.owner, _requestid(request), new)
    return json_answer(_status(request, pin), status=202)


async def delete_pin(request: web.Request) -> web.Response:
    """Delete a pin; its block is removed when nobody needs it."""
    caller = await caller_of(request, Scope.PINS_WRITE)
    await request.app[PINS].delete(caller.owner, _requestid(request))
    return web.Response(status=202)


async def _new_pin(request: web.Request, token: Token) -> NewPin:
    try:
        pin = await json_body(request, Pin, MAX_BODY_BYTES)
    except Unprocessable as error:
        raise Refused(error.details) from error  # the API's word for it is 400
    check_storable("name", pin.name or "")
    check_storable("meta", *pin.meta, *pin.meta.values())
    check_storable("origins", *pin.origins)
    return NewPin(
        cid=Cid.parse(pin.cid),
        name=pin.name,
        meta=pin.meta,
        origins=pin.origins,
        dialled=allowed_origins(token, pin.origins, request.app[NETWORKS]),
    )


def _requestid(request: web.Request) -> UUID:
    text = request.match_info["requestid"]
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"there is no pin {text[:80]!r}") from None


def _status(request: web.Request, pin: StoredPin) -> PinStatus:
    return PinStatus(
        requestid=str(pin.requestid),
        status=pin.outcome.status,
        created=pin.created_at,
        pin=Pin(cid=str(pin.want.cid), name=pin.name, origins=pin.origins, meta=pin.meta),
        delegates=_delegates(request),
        info=_info(pin),
    )


def _delegates(request: web.Request) -> list[str]:
    told = request.app[SETTINGS].delegates or request.app[HUB].delegates
    return list(told[:MAX_DELEGATES])


def _info(pin: StoredPin) -> dict[str, str]:
    info = {}
    if pin.outcome.reason is not None:
        info["reason"] = pin.outcome.reason.value
        info["status_details"] = pin.outcome.details or ""
    ignored = [origin for origin in pin.origins if origin not in pin.dialled]
    if ignored:
        info["origins_ignored"] = (
            f"{len(ignored)} of {len(pin.origins)} origins are outside the peers and networks "
            "that this token may name; connect to the delegates instead"
        )
    return info


_REQUESTID: Final = {"requestid": {"type": "string", "format": "uuid"}}
# What has another form is no pin, and `batch` and `meta` are routes of their own.
_ONE_PIN: Final = "/pins/{requestid:[0-9a-fA-F-]{36}}"
_LIST: Final = Operation(
    scope=Scope.PINS_READ,
    query=PARAMETERS,
    answers={200: PinResults},
    headers={COUNT_HEADER: {"type": "string", "enum": ["exact", "estimate"]}},
)
_ADD: Final = Operation(scope=Scope.PINS_WRITE, body=Pin, answers={202: PinStatus})
_GET: Final = Operation(scope=Scope.PINS_READ, path=_REQUESTID, answers={200: PinStatus})
_REPLACE: Final = replace(_ADD, path=_REQUESTID)
_DELETE: Final = Operation(scope=Scope.PINS_WRITE, path=_REQUESTID, answers={202: None})


def add_routes(app: web.Application) -> None:
    """Add the Pinning Service API."""
    add_route(app, "GET", "/pins", list_pins, _LIST)
    add_route(app, "POST", "/pins", add_pin, _ADD)
    add_route(app, "GET", _ONE_PIN, get_pin, _GET)
    add_route(app, "POST", _ONE_PIN, replace_pin, _REPLACE)
    add_route(app, "DELETE", _ONE_PIN, delete_pin, _DELETE)
