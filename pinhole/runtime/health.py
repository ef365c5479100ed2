"""`GET /healthz`: 200 while every part makes progress, 503 with what is wrong otherwise."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from pinhole.runtime.observers import is_near, knows_token
from pinhole.runtime.tasks import Supervisor

SUPERVISOR = web.AppKey("supervisor", Supervisor)
CHECKS = web.AppKey("checks", dict[str, Callable[[], Awaitable[str | None]]])
"""Further checks by name: each returns a sentence where something is wrong, else None."""


async def healthz(request: web.Request) -> web.Response:
    """Answer with the state of every supervised activity and every check.

    A stranger hears only whether all is well: sentences name addresses and versions.
    """
    problems = dict(request.app[SUPERVISOR].problems)
    for name, check in request.app[CHECKS].items():
        problem = await check()
        if problem is not None:
            problems[name] = problem
    parts = [*request.app[SUPERVISOR].pulses, *request.app[CHECKS]]
    body: dict[str, object] = {"status": "failing" if problems else "ok"}
    if is_near(request) or knows_token(request):
        body["parts"] = {name: problems.get(name, "ok") for name in parts}
    return web.json_response(
        body, status=503 if problems else 200, headers={"Cache-Control": "no-store"}
    )
