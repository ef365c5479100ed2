"""`/api/v1/reconciliations`: ask for a run, see how far it is and what it found."""

from typing import Final
from uuid import UUID

from aiohttp import web

from pinhole.contract.errors import NotFound
from pinhole.contract.reconciliation import ReconcileRequest, Reconciliation
from pinhole.contract.scopes import Scope
from pinhole.runtime.http import json_answer, json_body
from pinhole.runtime.tokens import require
from pinning.keys import POOL, SETTINGS
from pinning.reconciling import runs

MAX_BODY_BYTES: Final = 4_096


async def post_run(request: web.Request) -> web.Response:
    """Ask for a run; 409 where one is going on."""
    token = await require(request, Scope.ADMIN)
    asked = await json_body(request, ReconcileRequest, MAX_BODY_BYTES)
    pool, night = request.app[POOL], request.app[SETTINGS].nightly
    sample = asked.sample_blocks
    run_id = await runs.request(
        pool,
        f"token:{token.name}",
        repair=asked.repair,
        remove_orphans=asked.remove_orphans,
        max_share=asked.max_share if asked.max_share is not None else night.max_share,
        sample_blocks=sample if sample is not None else night.sample_blocks,
    )
    return json_answer(await _found(request, run_id), status=202)


async def get_newest(request: web.Request) -> web.Response:
    """Answer with the newest run."""
    await require(request, Scope.ADMIN, Scope.PINS_SERVICE)
    return json_answer(await _found(request, None))


async def get_run(request: web.Request) -> web.Response:
    """Answer with one run."""
    await require(request, Scope.ADMIN, Scope.PINS_SERVICE)
    text = request.match_info["run_id"]
    try:
        run_id = UUID(text)
    except ValueError:
        raise NotFound(f"there is no reconciliation {text[:80]!r}") from None
    return json_answer(await _found(request, run_id))


async def _found(request: web.Request, run_id: UUID | None) -> Reconciliation:
    found = await runs.find(request.app[POOL], run_id)
    if found is None:
        raise NotFound(
            "nothing was reconciled yet" if run_id is None else f"there is no run {run_id}"
        )
    return found


def add_routes(app: web.Application) -> None:
    """Add the routes of reconciling."""
    app.router.add_post("/api/v1/reconciliations", post_run)
    app.router.add_get("/api/v1/reconciliations/newest", get_newest)
    app.router.add_get("/api/v1/reconciliations/{run_id}", get_run)
