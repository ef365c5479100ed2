"""What the whole process shares: PostgreSQL, other services, and what other processes changed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
from aiohttp import web

from dashboard_gateway import notices
from dashboard_gateway.clients import PinningClient
from dashboard_gateway.notices import Listener
from dashboard_gateway.settings import DashboardSettings
from pinhole.runtime.health import CHECKS, SUPERVISOR
from pinhole.runtime.http import client_session
from pinhole.runtime.postgres import OUTAGES, Pool, create_pool, outage_middleware, ping
from pinhole.runtime.tokens import TOKENS, PostgresTokens

SETTINGS = web.AppKey("settings", DashboardSettings)
POOL: web.AppKey[Pool] = web.AppKey("pool")
WRITERS: web.AppKey[Pool] = web.AppKey("writers")
"""For the statements of receiving and dispatching, which PostgreSQL plans once, not each time."""
SESSION = web.AppKey("session", aiohttp.ClientSession)
PINNING = web.AppKey("pinning", PinningClient)
LISTENER = web.AppKey("listener", Listener)

_CLOSE_TIMEOUT_S: Final = 5.0
# PostgreSQL would plan `unnest($1)` anew each time, for it guesses that the next array is longer.
_PLANNED_ONCE: Final = {"plan_cache_mode": "force_generic_plan"}


def setup(app: web.Application) -> None:
    """Open these first and close them last."""
    app.middlewares.append(outage_middleware)
    app[SUPERVISOR].expect(*OUTAGES)
    app[LISTENER] = Listener(app[SETTINGS].postgres_dsn.get_secret_value())
    app.cleanup_ctx.append(_database)
    app.cleanup_ctx.append(_neighbours)


def listen(app: web.Application) -> None:
    """Hear what others change; whoever wants to know has said so before (`Listener.on`)."""
    app.cleanup_ctx.append(_heard)


async def _database(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    dsn, most = settings.postgres_dsn.get_secret_value(), settings.postgres_connections
    app[POOL] = await create_pool(dsn, min_size=2, max_size=most)
    app[TOKENS] = PostgresTokens(app[POOL])
    app[CHECKS]["postgres"] = lambda: ping(app[POOL])
    app[WRITERS] = await create_pool(dsn, max_size=most, server_settings=_PLANNED_ONCE)
    yield
    await asyncio.gather(_close(app[POOL]), _close(app[WRITERS]))


async def _close(pool: Pool) -> None:
    try:
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):
            await pool.close()
    except TimeoutError:
        # What is still open waits for a server that is gone.
        pool.terminate()


async def _neighbours(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    async with client_session() as session:
        app[SESSION] = session
        app[PINNING] = PinningClient(session, settings.pinning_url, settings.pinning_token)
        yield


async def _heard(app: web.Application) -> AsyncIterator[None]:
    app[SUPERVISOR].start("notices", app[LISTENER].run, stalls_after_s=notices.STALLS_AFTER_S)
    yield
