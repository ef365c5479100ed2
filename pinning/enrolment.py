"""Where a camera's blocks are: `PUT|GET|DELETE /api/v1/origins/{site}/{camera}`.

The records come from enrolment, by a service's hand; no camera and no message writes them.
"""

from dataclasses import replace
from typing import Final

from aiohttp import web

from pinhole.contract.errors import NotFound
from pinhole.contract.ids import NAME_PATTERN
from pinhole.contract.owners import Owner
from pinhole.contract.pins import Origin
from pinhole.contract.scopes import Scope
from pinhole.runtime.http import json_answer, json_body
from pinhole.runtime.openapi import Operation, add_route
from pinhole.runtime.tokens import require
from pinning.keys import NETWORKS, ORIGINS

MAX_BODY_BYTES: Final = 16_384


async def put_origin(request: web.Request) -> web.Response:
    """Set a camera's origin; every address in it lies in the allowed networks, or none is set."""
    await require(request, Scope.PINS_SERVICE)
    owner = _owner(request)
    given = await json_body(request, Origin, MAX_BODY_BYTES)
    networks = request.app[NETWORKS]
    origin = Origin(
        peer_id=given.peer_id,
        gateway_url=networks.gateway(given.gateway_url) if given.gateway_url else None,
        addresses=[networks.multiaddress(address) for address in given.addresses],
    )
    await request.app[ORIGINS].put(owner, origin)
    return json_answer(origin)


async def get_origin(request: web.Request) -> web.Response:
    """Answer with a camera's origin."""
    await require(request, Scope.PINS_SERVICE)
    owner = _owner(request)
    origin = await request.app[ORIGINS].find(owner)
    if origin is None:
        raise NotFound(f"no origin is known for {owner}")
    return json_answer(origin)


async def delete_origin(request: web.Request) -> web.Response:
    """Forget a camera's origin: it is not dialled any more."""
    await require(request, Scope.PINS_SERVICE)
    owner = _owner(request)
    if not await request.app[ORIGINS].delete(owner):
        raise NotFound(f"no origin is known for {owner}")
    return web.Response(status=204)


def _owner(request: web.Request) -> Owner:
    return Owner.camera(request.match_info["site"], request.match_info["camera"])


_NAME: Final = {"type": "string", "pattern": NAME_PATTERN}
_PATH: Final = {"site": _NAME, "camera": _NAME}
_GET: Final = Operation(scope=Scope.PINS_SERVICE, path=_PATH, answers={200: Origin})
_PUT: Final = replace(_GET, body=Origin)
_DELETE: Final = replace(_GET, answers={204: None})


def add_routes(app: web.Application) -> None:
    """Add the routes of origins."""
    path = "/api/v1/origins/{site}/{camera}"
    add_route(app, "PUT", path, put_origin, _PUT)
    add_route(app, "GET", path, get_origin, _GET)
    add_route(app, "DELETE", path, delete_origin, _DELETE)
