"""The composition root: what the dashboard consists of, in the order of one frame's way."""

from collections.abc import Callable
from typing import Final

from aiohttp import web

from dashboard_gateway import dispatch, group_commit, receive, relay, resources, results, show
from dashboard_gateway.resources import SETTINGS
from dashboard_gateway.settings import DashboardSettings
from pinhole.runtime.service import new_app, supervise

Setup = Callable[[web.Application], None]
"""Adds one part: its routes, its `cleanup_ctx`, its listeners. It does no I/O."""

RECEIVING: Final[tuple[Setup, ...]] = (
    group_commit.setup,
    receive.setup,
    relay.setup,
    results.setup,
)
DISPATCHING: Final[tuple[Setup, ...]] = (dispatch.setup,)
SHOWING: Final[tuple[Setup, ...]] = (show.setup,)
EVERYTHING: Final = (*RECEIVING, *DISPATCHING, *SHOWING)

PARTS: Final[dict[str, tuple[Setup, ...]]] = {
    "everything": EVERYTHING,
    "serve": (*RECEIVING, *SHOWING),
    "dispatch": DISPATCHING,
}
"""What one process may consist of, by the word of its command line."""


def make_app(settings: DashboardSettings, parts: tuple[Setup, ...] = EVERYTHING) -> web.Application:
    """Return the application of `parts`; nothing is opened before it starts."""
    app = new_app("dashboard_gateway")
    app[SETTINGS] = settings
    resources.setup(app)
    for setup in parts:
        setup(app)
    resources.listen(app)
    app.cleanup_ctx.append(supervise)
    return app
