"""Policies, dry runs, holds and why: the operator's routes.

They are about everybody's pins: for `admin`, and for services, which may say for whom they ask.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from aiohttp import web

from pinhole.contract.cid import Cid
from pinhole.contract.dry_runs import (
    ApplyRequest,
    DryRun,
    DryRunRequest,
    PolicyVersion,
    PolicyVersions,
)
from pinhole.contract.errors import Forbidden, NotFound, Refused
from pinhole.contract.holds import Hold, HoldRequest, Holds, LiftRequest, Why
from pinhole.contract.message import Message
from pinhole.contract.scopes import Scope
from pinhole.runtime.http import json_answer, json_body
from pinhole.runtime.openapi import Operation, Parameter, Schema, add_route
from pinhole.runtime.tokens import Token, require
from pinning.keys import HUB, POOL, SETTINGS
from pinning.retention import dry_runs, holds, policy_sets
from pinning.retention.why import why

MAX_BODY_BYTES: Final = 2**20


async def _operator(request: web.Request) -> Token:
    return await require(request, Scope.ADMIN, Scope.PINS_SERVICE)


def _by(token: Token, named: str | None) -> str:
    """Return who asks: the token, or whom a service names."""
    if named is None:
        return token.owner
    if not token.may(Scope.PINS_SERVICE):
        raise Forbidden(f"the token {token.name!r} speaks for itself: leave out `by`")
    return named


async def get_policies(request: web.Request) -> web.Response:
    """Answer with the policies in force."""
    await _operator(request)
    return json_answer(await policy_sets.current(request.app[POOL]))


async def list_versions(request: web.Request) -> web.Response:
    """Answer with every version there was."""
    await _operator(request)
    return json_answer(await policy_sets.versions(request.app[POOL]))


async def get_version(request: web.Request) -> web.Response:
    """Answer with one version."""
    await _operator(request)
    text = request.match_info["version"]
    if not (text.isascii() and text.isdigit() and len(text) < 10):  # noqa: PLR2004 - an integer
        raise NotFound(f"there is no version {text[:40]!r} of the policies")
    return json_answer(await policy_sets.get(request.app[POOL], int(text)))


async def make_dry_run(request: web.Request) -> web.Response:
    """Answer with what policies would do, and do nothing."""
    token = await _operator(request)
    asked = await json_body(request, DryRunRequest, MAX_BODY_BYTES)
    settings = request.app[SETTINGS]
    stat = await request.app[HUB].rpc.repo_stat(timeout_s=settings.kubo_timeout_s)
    dry_run = await dry_runs.make(
        request.app[POOL],
        asked.policies,
        _by(token, asked.by),
        settings.caution,
        stat["StorageMax"] - stat["RepoSize"],
    )
    return json_answer(dry_run, status=201)


async def get_dry_run(request: web.Request) -> web.Response:
    """Answer with a dry run as it was shown."""
    await _operator(request)
    return json_answer(await dry_runs.get(request.app[POOL], request.match_info["dry_run"]))


async def apply_dry_run(request: web.Request) -> web.Response:
    """Put the policies of a dry run into force."""
    token = await _operator(request)
    asked = await json_body(request, ApplyRequest, MAX_BODY_BYTES)
    applied = await dry_runs.apply(
        request.app[POOL],
        asked.dry_run,
        asked.confirm,
        _by(token, asked.by),
        request.app[SETTINGS].caution,
    )
    return json_answer(applied, status=201)


async def list_holds(request: web.Request) -> web.Response:
    """Answer with the active holds; `?lifted=true`: with all there were."""
    await _operator(request)
    lifted = request.query.get("lifted", "false")
    if lifted not in {"true", "false"}:
        raise Refused(f"lifted is true or false; got {lifted[:40]!r}")
    found = await holds.list_all(request.app[POOL], lifted=lifted == "true")
    return json_answer(Holds(holds=found))


async def add_hold(request: web.Request) -> web.Response:
    """Hold pins from now on."""
    token = await _operator(request)
    asked = await json_body(request, HoldRequest, MAX_BODY_BYTES)
    hold = await holds.add(request.app[POOL], asked, _by(token, asked.by))
    return json_answer(hold, status=201)


async def get_hold(request: web.Request) -> web.Response:
    """Answer with a hold and how many pins it holds."""
    await _operator(request)
    return json_answer(await holds.get(request.app[POOL], request.match_info["hold"]))


async def lift_hold(request: web.Request) -> web.Response:
    """End a hold; it stays in the list with who lifted it and why."""
    token = await _operator(request)
    asked = await json_body(request, LiftRequest, MAX_BODY_BYTES)
    hold = request.match_info["hold"]
    lifted = await holds.lift(request.app[POOL], hold, asked.reason, _by(token, asked.by))
    return json_answer(lifted)


async def get_why(request: web.Request) -> web.Response:
    """Answer with why a CID is kept, or by which policy it went."""
    await _operator(request)
    cid = Cid.parse(request.match_info["cid"])
    days = request.app[SETTINGS].plausible_age_days
    return json_answer(await why(request.app[POOL], cid, plausible_days=days))


_LIFTED: Final = Parameter(
    name="lifted",
    schema={"type": "boolean", "default": False},
    description="Whether holds that were lifted are listed as well.",
)
_VERSION: Final = {"version": {"type": "integer", "minimum": 1, "maximum": 999_999_999}}
_UUID: Final = {"type": "string", "format": "uuid"}


def _operation(
    status: int,
    answer: type[Message],
    body: type[Message] | None = None,
    *,
    query: Sequence[Parameter] = (),
    path: Mapping[str, Schema] | None = None,
) -> Operation:
    return Operation(
        scope=Scope.ADMIN, body=body, answers={status: answer}, query=query, path=path or {}
    )


_ROUTES: Final = (
    ("GET", "/api/v1/policies", get_policies, _operation(200, PolicyVersion)),
    ("POST", "/api/v1/policies", apply_dry_run, _operation(201, PolicyVersion, ApplyRequest)),
    ("GET", "/api/v1/policies/versions", list_versions, _operation(200, PolicyVersions)),
    (
        "GET",
        "/api/v1/policies/versions/{version}",
        get_version,
        _operation(200, PolicyVersion, path=_VERSION),
    ),
    ("POST", "/api/v1/dry-runs", make_dry_run, _operation(201, DryRun, DryRunRequest)),
    (
        "GET",
        "/api/v1/dry-runs/{dry_run}",
        get_dry_run,
        _operation(200, DryRun, path={"dry_run": _UUID}),
    ),
    ("GET", "/api/v1/holds", list_holds, _operation(200, Holds, query=(_LIFTED,))),
    ("POST", "/api/v1/holds", add_hold, _operation(201, Hold, HoldRequest)),
    ("GET", "/api/v1/holds/{hold}", get_hold, _operation(200, Hold, path={"hold": _UUID})),
    (
        "POST",
        "/api/v1/holds/{hold}/lift",
        lift_hold,
        _operation(200, Hold, LiftRequest, path={"hold": _UUID}),
    ),
    ("GET", "/api/v1/why/{cid}", get_why, _operation(200, Why)),
)


def add_routes(app: web.Application) -> None:
    """Add the routes."""
    for method, path, handler, operation in _ROUTES:
        add_route(app, method, path, handler, operation)
