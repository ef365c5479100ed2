"""The composition root: what the service is made of, opened and closed in order."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlsplit

import asyncpg
from aiohttp import web

from pinhole.contract.errors import Unavailable
from pinhole.runtime import openapi
from pinhole.runtime.health import CHECKS, SUPERVISOR
from pinhole.runtime.http import Handler, client_session
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import PostgresUnavailable, create_pool, ping
from pinhole.runtime.service import new_app, supervise
from pinhole.runtime.tokens import TOKENS, PostgresTokens
from pinning import api, batch, blocks, enrolment, metas, seen
from pinning.attempts import Attempts
from pinning.bitswap import Bitswap
from pinning.fetch import Fetcher
from pinning.hub import Hub
from pinning.keeper import LANES, Keeper
from pinning.keys import ATTEMPTS, HUB, KEEPER, NETWORKS, ORIGINS, PINS, POOL, SETTINGS, UPLOADS
from pinning.networks import AllowedNetworks
from pinning.origins import Origins
from pinning.pins import Pins
from pinning.release import Releaser
from pinning.retention import api as retention_api
from pinning.retention.expiry import Expiry
from pinning.schedule import RetryPolicy
from pinning.settings import PinningSettings
from pinning.worker import Worker

_POSTGRES: Final = {
    # PostgreSQL plans `unnest($1)` anew each time, for it guesses that the next array is of another
    # length: 0.35 ms of the 1.4 ms that keeping one frame spent in SQL.
    "plan_cache_mode": "force_generic_plan",
    "application_name": "pinning",
}
# Away, full, or giving way to another transaction: all pass.
_OUTAGES: Final = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # see pinhole.runtime.postgres.AWAY
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
)
# A batch may wait for a Kubo call and its one-by-one repetition; twice that is a stall.
_STALL_CALLS: Final = 8


def make_app(settings: PinningSettings) -> web.Application:
    """Return the service; nothing is opened before it starts."""
    app = new_app("pinning", client_max_size=settings.max_upload_bytes)
    app.middlewares.append(_translate_outages)
    app[SETTINGS] = settings
    # The batch routes come before `/pins/{requestid}`, which would take their names for ids.
    for module in (batch, metas, api, blocks, enrolment, retention_api, seen):
        module.add_routes(app)
    openapi.add_document(app, title="Pinning Service API, and Pinhole's own", version="1.0.0")
    app.cleanup_ctx.extend([_database, _networks, _hub, _pinning, supervise])
    return app


@web.middleware
async def _translate_outages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell callers that PostgreSQL is in trouble with a 503: they keep what they have."""
    try:
        return await handler(request)
    except _OUTAGES as error:
        problem = f"PostgreSQL does not do its part: {type(error).__name__}: {error}"
        raise PostgresUnavailable(problem) from error


async def _database(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    pool = await create_pool(
        settings.postgres_dsn.get_secret_value(),
        max_size=settings.postgres_connections,
        server_settings=_POSTGRES,
    )
    app[POOL] = pool
    app[TOKENS] = PostgresTokens(pool)
    app[ORIGINS] = Origins(pool)
    app[CHECKS]["postgres"] = lambda: ping(pool)
    yield
    await pool.close()


async def _networks(app: web.Application) -> AsyncIterator[None]:
    """Look up once where the hub's own gateway is: it is no camera's origin."""
    settings = app[SETTINGS]
    hub = urlsplit(settings.kubo_gateway_url)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(hub.hostname, hub.port or 80)
    except OSError as error:
        raise Unavailable(f"PINNING_KUBO_GATEWAY_URL: {hub.hostname}: {error.strerror}") from error
    places = {(str(address[0]), int(address[1])) for *_, address in found}
    app[NETWORKS] = AllowedNetworks(settings.allowed_networks, places)
    yield


async def _hub(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    token = settings.kubo_rpc_token
    async with client_session() as session:
        rpc = KuboRpc(
            session,
            settings.kubo_rpc_url,
            token=token.get_secret_value() if token is not None else None,
        )
        app[HUB] = Hub(rpc, timeout_s=settings.kubo_timeout_s)
        app[SUPERVISOR].start("hub", app[HUB].watch, stalls_after_s=settings.kubo_timeout_s + 10)
        yield


async def _pinning(app: web.Application) -> AsyncIterator[None]:
    settings, pool, hub = app[SETTINGS], app[POOL], app[HUB]
    async with client_session(connections=2 * settings.fetches) as session:
        bitswap = Bitswap(
            pool,
            hub,
            timeout_s=settings.bitswap_timeout_s,
            at_once=settings.bitswap_fetches,
            max_tree_bytes=settings.max_pin_bytes,
        )
        fetcher = Fetcher(pool, session, app[ORIGINS], bitswap, settings)
        keeper = Keeper(pool, hub, batch=settings.keep_batch)
        policy = RetryPolicy(
            settings.max_attempts, settings.retry_first_s, settings.retry_longest_s
        )
        attempts = Attempts(pool, hub, fetcher, keeper, at_once=settings.fetches, policy=policy)
        app[KEEPER], app[ATTEMPTS] = keeper, attempts
        app[PINS] = Pins(pool, attempts, lease=settings.lease)
        app[UPLOADS] = asyncio.Semaphore(settings.fetches)
        _start(app)
        yield
        await attempts.stop()


def _start(app: web.Application) -> None:
    """Start the background work: lanes, worker, releaser."""
    settings, pool, hub, supervisor = app[SETTINGS], app[POOL], app[HUB], app[SUPERVISOR]
    stalls_after_s = _STALL_CALLS * settings.kubo_timeout_s
    for number in range(1, LANES + 1):
        supervisor.start(f"keeper-{number}", app[KEEPER].run_lane, stalls_after_s=stalls_after_s)
    worker = Worker(pool, hub, app[ATTEMPTS], lease=settings.lease)
    supervisor.start("worker", worker.run, stalls_after_s=30)
    releaser = Releaser(pool, hub, every_s=settings.release_every_s)
    supervisor.start("releaser", releaser.run, stalls_after_s=stalls_after_s)
    expiry = Expiry(pool, settings.caution, every_s=settings.policies_every_s)
    # A round over ten million pins takes half a minute.
    supervisor.start("expiry", expiry.run, stalls_after_s=settings.policies_every_s + 300)
