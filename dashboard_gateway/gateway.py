"""`GET|HEAD /ipfs/{cid}` and `/api/images/hash/{sha256}`: pictures for those who may see them.

The order matters: permission, then the conditional answer, then bytes that were verified. A shared
cache never keeps them (`private`), errors are never kept. Source: RFC 9110; the path gateway
specification for status codes; kubo.md for what Kubo's own gateway gets wrong.
"""

from functools import lru_cache
from typing import Final

from aiohttp import web

from dashboard_gateway.access import viewer_of
from dashboard_gateway.permission import Held, Permissions
from dashboard_gateway.pictures import Picture, Pictures
from dashboard_gateway.ranges import Unsatisfiable, etag_matches, parse_range
from dashboard_gateway.resources import SETTINGS
from dashboard_gateway.thumbnails import Thumbnails, step_for
from pinhole.contract.cid import Cid

PERMISSIONS = web.AppKey("permissions", Permissions)
PICTURES = web.AppKey("pictures", Pictures)
THUMBNAILS = web.AppKey("thumbnails", Thumbnails)

_STORAGE_MODE: Final = "X-Pinhole-Storage-Mode"
_PARTIAL: Final = 206
_UNSATISFIABLE: Final = 416


def add_routes(app: web.Application) -> None:
    """Add the gateway's routes; each also answers HEAD."""
    app.router.add_get("/ipfs/{cid}", by_cid)
    app.router.add_get("/api/images/hash/{sha256}", by_hash)


# The same pictures are asked for again and again: 0.2 µs instead of 8.
_parsed = lru_cache(maxsize=8192)(Cid.parse)


async def by_cid(request: web.Request) -> web.StreamResponse:
    """Answer with the picture that a CID names, in whatever base or version it is spelled."""
    return await _serve(request, _parsed(request.match_info["cid"]))


async def by_hash(request: web.Request) -> web.StreamResponse:
    """Answer with the picture whose raw bytes have this SHA-256 (the old `image_hash`)."""
    return await _serve(request, Cid.from_sha256(request.match_info["sha256"]))


async def _serve(request: web.Request, cid: Cid) -> web.StreamResponse:
    app = request.app
    held = await app[PERMISSIONS].of(viewer_of(request), cid)
    width = request.query.get("width") if request.query_string else None
    step_px = step_for(width) if width is not None else None
    wanted = request.headers.get("If-None-Match")
    if wanted is not None and etag_matches(wanted, _etag(held, step_px)):
        return _not_modified(app, held, _etag(held, step_px))
    picture = await _picture(app, held, step_px)
    return _answer(request, picture, held)


async def _picture(app: web.Application, held: Held, step_px: int | None) -> Picture:
    """Return the verified picture, at the width that is made for `?width=` if one was asked for."""
    cid = held.bytes.cid
    if step_px is not None:
        made = app[THUMBNAILS].cached(cid, step_px)
        if made is not None:
            return made
    picture = await app[PICTURES].get(held.bytes)
    if step_px is None:
        return picture
    return await app[THUMBNAILS].get(cid, picture, step_px)


def _etag(held: Held, step_px: int | None) -> str:
    return f'"{held.bytes.cid}"' if step_px is None else f'"{held.bytes.cid}.w{step_px}"'


def _not_modified(app: web.Application, held: Held, etag: str) -> web.Response:
    return web.Response(
        status=304,
        headers={
            "ETag": etag,
            "Cache-Control": app[SETTINGS].picture_cache_control,
            "Vary": "Cookie, Authorization",
            _STORAGE_MODE: held.storage_mode,
        },
    )


def _answer(request: web.Request, picture: Picture, held: Held) -> web.Response:
    headers = picture.headers.copy()
    headers["Cache-Control"] = request.app[SETTINGS].picture_cache_control
    headers[_STORAGE_MODE] = held.storage_mode
    asked = request.headers.get("Range")
    # If-Range with anything but this very picture means: send it whole.
    if asked is None or request.headers.get("If-Range", picture.etag) != picture.etag:
        return web.Response(body=picture.data, headers=headers)
    total = len(picture.data)
    try:
        part = parse_range(asked, total)
    except Unsatisfiable:
        refusal = {"Content-Range": f"bytes */{total}", "Cache-Control": "no-store"}
        return web.Response(status=_UNSATISFIABLE, headers=refusal)
    if part is None:
        return web.Response(body=picture.data, headers=headers)
    headers["Content-Range"] = part.content_range
    body = picture.data[part.first : part.last + 1]
    return web.Response(status=_PARTIAL, body=body, headers=headers)
