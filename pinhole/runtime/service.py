"""Starting and stopping a service: `run(make_app, settings)` is all of its `__main__`."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import uvloop
from aiohttp import web

from pinhole.contract.errors import PinholeError
from pinhole.runtime import logging as pinhole_logging
from pinhole.runtime.health import CHECKS, SUPERVISOR, healthz
from pinhole.runtime.http import SERVICE_NAME, error_middleware
from pinhole.runtime.metrics import metrics
from pinhole.runtime.observers import METRICS_TOKEN
from pinhole.runtime.settings import ServiceSettings
from pinhole.runtime.tasks import Supervisor

logger = logging.getLogger(__name__)

S = TypeVar("S", bound=ServiceSettings)


def new_app(name: str, *, client_max_size: int = 16 * 2**20) -> web.Application:
    """Return an application with errors, health, metrics and supervised tasks; it does no I/O.

    Add resources to `cleanup_ctx` in the order of their dependence; the tasks, which need them,
    end first because their context is entered last (`supervise`).
    """
    app = web.Application(middlewares=[error_middleware], client_max_size=client_max_size)
    app[SERVICE_NAME] = name
    app[SUPERVISOR] = Supervisor()
    app[CHECKS] = {}
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/metrics", metrics)
    return app


async def supervise(app: web.Application) -> AsyncIterator[None]:
    """End every supervised task before the resources it uses: append it to `cleanup_ctx` last."""
    yield
    await app[SUPERVISOR].stop()


def listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Return a listening socket.

    Args:
        host: an IPv4 or IPv6 address, or a name of this machine.
        port: 0 takes a free one.
        shared: let other processes listen on the same port (SO_REUSEPORT).

    Raises:
        PinholeError: the address cannot be listened on; the sentence says why.
    """
    family, _, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise PinholeError(
            f"cannot listen on {host} port {port}: {error.strerror}", reason="PORT_TAKEN"
        ) from error
    listener.listen(1024)
    listener.setblocking(False)  # noqa: FBT003 - the socket's own signature
    return listener


def run(make_app: Callable[[S], web.Application], settings: S) -> None:
    """Serve until SIGTERM or SIGINT, in `settings.workers` processes that share the port."""
    pinhole_logging.set_up(settings.log_level)
    try:
        if settings.workers == 1:
            uvloop.run(serve(make_app(settings), settings))
        else:
            _run_workers(make_app, settings)
    except PinholeError as error:
        sys.exit(f"{error.reason}: {error.details}")


async def serve(app: web.Application, settings: ServiceSettings) -> None:
    """Serve `app` until the process is told to stop."""
    app[METRICS_TOKEN] = settings.metrics_token
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=settings.shutdown_timeout_s, handle_signals=False
    )
    await runner.setup()
    try:
        listener = listen(settings.host, settings.port, shared=settings.workers > 1)
        await web.SockSite(runner, listener).start()
        host, port = listener.getsockname()[:2]
        logger.info("%s listens on %s port %s", app[SERVICE_NAME], host, port)
        await stopped.wait()
        logger.info("%s stops", app[SERVICE_NAME])
    finally:
        await runner.cleanup()


def _run_workers(make_app: Callable[[S], web.Application], settings: S) -> None:
    children = [_fork_worker(make_app, settings) for _ in range(settings.workers)]

    def stop(number: int, frame: object) -> None:
        del number, frame
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    # One worker's death ends all: whoever started this service starts it again, whole.
    _, status = os.wait()
    stop(signal.SIGTERM, None)
    for _ in children[1:]:
        os.wait()
    sys.exit(os.waitstatus_to_exitcode(status))


def _fork_worker(make_app: Callable[[S], web.Application], settings: S) -> int:
    child = os.fork()
    if child == 0:
        code = 0
        try:
            uvloop.run(serve(make_app(settings), settings))
        except PinholeError as error:
            sys.stderr.write(f"{error.reason}: {error.details}\n")
            code = 1
        os._exit(code)
    return child
