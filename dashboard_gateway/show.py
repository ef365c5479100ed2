"""The showing half: pages, API, live updates, gateway proxy, users."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from dashboard_gateway import api, assets, gateway, live, log_in, pages
from dashboard_gateway.access import VIEWERS, access_middleware
from dashboard_gateway.assets import ASSETS
from dashboard_gateway.gateway import PERMISSIONS, PICTURES, THUMBNAILS
from dashboard_gateway.hub import HubGateway
from dashboard_gateway.live import LIVE, Live
from dashboard_gateway.notices import FRAMES
from dashboard_gateway.page_errors import page_error_middleware
from dashboard_gateway.permission import BYTES_GONE, Permissions
from dashboard_gateway.pictures import Pictures
from dashboard_gateway.rendering import RENDERER, Renderer
from dashboard_gateway.resources import LISTENER, POOL, SETTINGS
from dashboard_gateway.thumbnails import Thumbnails
from dashboard_gateway.viewers import ACCESS_CHANGED, TOKENS_CHANGED, Viewers
from pinhole.runtime.health import SUPERVISOR


def setup(app: web.Application) -> None:
    """Add the showing half's routes and resources."""
    app.middlewares.append(page_error_middleware)
    app.middlewares.append(access_middleware)
    app.router.add_get("/static/{version}/{path:.+}", assets.serve)
    for part in (gateway, api, pages, log_in):
        part.add_routes(app)
    app.cleanup_ctx.append(_files)
    app.cleanup_ctx.append(_viewers)
    app.cleanup_ctx.append(_pictures)
    app.cleanup_ctx.append(_live)
    app.on_shutdown.append(_end_streams)


async def _files(app: web.Application) -> AsyncIterator[None]:
    app[ASSETS] = await asyncio.to_thread(assets.load)
    app[RENDERER] = await asyncio.to_thread(Renderer.load)
    yield


async def _viewers(app: web.Application) -> AsyncIterator[None]:
    listener = app[LISTENER]
    viewers = Viewers(app[POOL], listener)
    permissions = Permissions(app[POOL], listener)
    app[VIEWERS], app[PERMISSIONS] = viewers, permissions
    for notice in (ACCESS_CHANGED, TOKENS_CHANGED):
        listener.on(notice, lambda _: viewers.clear())
    listener.on(BYTES_GONE, lambda payload: permissions.drop(bytes.fromhex(payload)))
    listener.on_lost(viewers.clear)
    listener.on_lost(permissions.clear)
    yield


async def _pictures(app: web.Application) -> AsyncIterator[None]:
    settings, listener = app[SETTINGS], app[LISTENER]
    hub = HubGateway(settings.hub_gateway_url, connections=settings.hub_connections)
    pictures = Pictures(
        hub,
        limit_bytes=settings.picture_cache_bytes,
        tree_limit_bytes=settings.upload_bytes,
        timeout_s=settings.picture_timeout_s,
    )
    thumbnails = Thumbnails(
        limit_bytes=settings.thumbnail_cache_bytes,
        max_pixels=settings.thumbnail_pixels,
        threads=settings.thumbnail_threads,
    )
    app[PICTURES], app[THUMBNAILS] = pictures, thumbnails
    listener.on(BYTES_GONE, lambda payload: pictures.drop(bytes.fromhex(payload)))
    listener.on(BYTES_GONE, lambda payload: thumbnails.drop(bytes.fromhex(payload)))
    listener.on_lost(pictures.clear)
    listener.on_lost(thumbnails.clear)
    yield
    hub.close()
    await asyncio.to_thread(thumbnails.close)


async def _live(app: web.Application) -> AsyncIterator[None]:
    settings, listener = app[SETTINGS], app[LISTENER]
    updates = Live(
        app[POOL], interval_s=settings.live_interval_s, max_streams=settings.live_streams
    )
    app[LIVE] = updates
    listener.on(FRAMES, updates.heard)
    listener.on(BYTES_GONE, updates.gone)
    for notice in (ACCESS_CHANGED, TOKENS_CHANGED):
        listener.on(notice, lambda _: updates.access_changed())
    listener.on_lost(updates.look_everywhere)
    listener.on_lost(updates.access_changed)
    app[SUPERVISOR].start("live updates", updates.feed, stalls_after_s=live.STALLS_AFTER_S)
    yield


async def _end_streams(app: web.Application) -> None:
    app[LIVE].close()
