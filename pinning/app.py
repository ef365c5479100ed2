"""The composition root: what the service is made of, opened and closed in order."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from pinhole.contract.errors import Unavailable
from pinhole.runtime import openapi
from pinhole.runtime.health import CHECKS, SUPERVISOR
from pinhole.runtime.http import client_session
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import OUTAGES, create_pool, outage_middleware, ping
from pinhole.runtime.service import new_app, supervise
from pinhole.runtime.tokens import TOKENS, PostgresTokens
from pinning import api, batch, blocks, enrolment, metas, release, seen
from pinning.attempts import Attempts
from pinning.bitswap import Bitswap
from pinning.fetch import Fetcher
from pinning.file_tree import FileTree
from pinning.hub import Hub
from pinning.keeper import LANES, Keeper
from pinning.keys import (
    ATTEMPTS,
    FETCHER,
    HUB,
    KEEPER,
    NETWORKS,
    ORIGINS,
    PINS,
    POOL,
    PRESSURE,
    SETTINGS,
    STORES,
    UPLOADS,
)
from pinning.networks import AllowedNetworks
from pinning.origins import Origins
from pinning.pins import Pins
from pinning.pressure import Pressure, Unclaimed
from pinning.reconciling import routes as reconciling_routes
from pinning.reconciling.mender import Mender
from pinning.reconciling.reconciler import Reconciler
from pinning.release import Releaser
from pinning.retention import api as retention_api
from pinning.retention.expendable import SoonOver
from pinning.retention.expiry import Expiry
from pinning.schedule import RetryPolicy
from pinning.settings import PinningSettings, StoreKind
from pinning.stores import KuboStore, Stores, TreeStore
from pinning.unclaiming import Unclaiming
from pinning.worker import Worker

POSTGRES: Final = {
    # PostgreSQL plans `unnest($1)` anew each time, for it guesses that the next array is of another
    # length: 0.35 ms of the 1.4 ms that keeping one frame spent in SQL.
    "plan_cache_mode": "force_generic_plan",
    "application_name": "pinning",
}
# A batch may wait for a Kubo call and its one-by-one repetition; twice that is a stall.
_STALL_CALLS: Final = 8


def make_app(settings: PinningSettings) -> web.Application:
    """Return the service; nothing is opened before it starts."""
    app = new_app("pinning", client_max_size=settings.max_upload_bytes)
    app.middlewares.append(outage_middleware)
    app[SETTINGS] = settings
    # The batch routes come before `/pins/{requestid}`, which would take their names for ids.
    for module in (batch, metas, api, blocks, enrolment, reconciling_routes, retention_api, seen):
        module.add_routes(app)
    openapi.add_document(app, title="Pinning Service API, and Pinhole's own", version="1.0.0")
    app.cleanup_ctx.extend([_places, _database, _networks, _hub, _pinning, supervise])
    return app


async def _places(app: web.Application) -> AsyncIterator[None]:
    """Refuse to start where pushed bytes have no place to go; nothing is open yet."""
    settings = app[SETTINGS]
    tree = _file_tree(settings)
    problem = await asyncio.to_thread(tree.problem) if tree is not None else None
    if problem is not None and settings.store is StoreKind.TREE:
        raise Unavailable(f"PINNING_TREE_DIR: {problem}")
    yield


async def _database(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    pool = await create_pool(
        settings.postgres_dsn.get_secret_value(),
        max_size=settings.postgres_connections,
        server_settings=POSTGRES,
    )
    app[POOL] = pool
    app[SUPERVISOR].expect(*OUTAGES)
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
        app[FETCHER] = fetcher
        keeper = Keeper(pool, hub, batch=settings.keep_batch)
        policy = RetryPolicy(
            settings.max_attempts, settings.retry_first_s, settings.retry_longest_s
        )
        unclaimed = Unclaimed(pool, kept_for=settings.unclaimed_for)
        soon_over = SoonOver(pool, settings.caution, within=settings.expendable_within)
        pressure = Pressure(pool, hub, settings.limits, (unclaimed, soon_over))
        app[PRESSURE] = pressure
        attempts = Attempts(
            pool, hub, fetcher, keeper, pressure, at_once=settings.fetches, policy=policy
        )
        app[KEEPER], app[ATTEMPTS] = keeper, attempts
        app[STORES] = _stores(app)
        app[PINS] = Pins(pool, attempts, lease=settings.lease)
        app[UPLOADS] = asyncio.Semaphore(settings.fetches)
        _start(app)
        yield
        await attempts.stop()


def _stores(app: web.Application) -> Stores:
    """Return the places for pushed bytes."""
    settings, pool, kept_for = app[SETTINGS], app[POOL], app[SETTINGS].unclaimed_for
    kubo = KuboStore(app[HUB], app[KEEPER], kept_for=kept_for, timeout_s=settings.kubo_timeout_s)
    tree = _file_tree(settings)
    if tree is not None:
        app[CHECKS]["tree"] = lambda: asyncio.to_thread(tree.problem)
    return Stores(
        pool,
        kubo,
        TreeStore(pool, tree, kept_for=kept_for) if tree is not None else None,
        into_tree=settings.store is StoreKind.TREE,
    )


def _file_tree(settings: PinningSettings) -> FileTree | None:
    return FileTree(settings.tree_dir) if settings.tree_dir is not None else None


def _start(app: web.Application) -> None:
    """Start the background work: lanes, worker, releaser."""
    settings, pool, hub, supervisor = app[SETTINGS], app[POOL], app[HUB], app[SUPERVISOR]
    stalls_after_s = _STALL_CALLS * settings.kubo_timeout_s
    for number in range(1, LANES + 1):
        supervisor.start(f"keeper-{number}", app[KEEPER].run_lane, stalls_after_s=stalls_after_s)
    worker = Worker(pool, hub, app[ATTEMPTS], lease=settings.lease)
    supervisor.start("worker", worker.run, stalls_after_s=30)
    supervisor.start(
        "unclaimed", Unclaiming(pool, every_s=settings.expire_every_s).run, stalls_after_s=600
    )
    supervisor.start("pressure", app[PRESSURE].run, stalls_after_s=120)
    mender = Mender(pool, hub, app[FETCHER], app[KEEPER])
    reconciler = Reconciler(pool, hub, mender, settings.nightly)
    # Comparing a million blocks is one statement of some seconds.
    supervisor.start("reconciler", reconciler.run, stalls_after_s=1800)
    releaser = Releaser(pool, hub, tree=_file_tree(settings), every_s=settings.release_every_s)
    for number in range(1, release.LANES + 1):
        supervisor.start(f"releaser-{number}", releaser.run_lane, stalls_after_s=stalls_after_s)
    expiry = Expiry(pool, settings.caution, every_s=settings.policies_every_s)
    # A round over ten million pins takes half a minute.
    supervisor.start("expiry", expiry.run, stalls_after_s=settings.policies_every_s + 300)
