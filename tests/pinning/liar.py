"""Origins that lie: HTTP servers that answer a gateway's requests with something else."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

from aiohttp import web
from aiohttp.test_utils import TestServer

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Liar(TestServer):
    """A server that gives one answer to every GET and counts how often it was asked."""

    def __init__(self, answer: Answer) -> None:
        self.asked = 0

        async def handle(request: web.Request) -> web.StreamResponse:
            self.asked += 1
            return await answer(request)

        app = web.Application()
        app.router.add_get("/{path:.*}", handle)
        super().__init__(app)

    async def __aenter__(self) -> Self:
        """Start listening."""
        await super().__aenter__()
        return self

    @property
    def url(self) -> str:
        """Where it listens, as an origin's gateway_url."""
        return f"http://127.0.0.1:{self.port}"


async def other_bytes(request: web.Request) -> web.Response:
    """Answer with bytes that were not asked for."""
    del request
    return web.Response(body=b"not what you asked for")


async def html(request: web.Request) -> web.Response:
    """Answer with a page, as a captive portal does."""
    del request
    return web.Response(text="<html>sign in</html>", content_type="text/html")


async def nothing(request: web.Request) -> web.Response:
    """Answer 200 without a byte."""
    del request
    return web.Response(body=b"")


def endless(status: int) -> Answer:
    """Answer with a body that has no end and no announced length."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        while True:
            await response.write(bytes(65_536))

    return answer


async def announces_gigabytes(request: web.Request) -> web.StreamResponse:
    """Announce far more than any block has, and send a little of it."""
    response = web.StreamResponse(headers={"Content-Length": str(10**10)})
    await response.prepare(request)
    await response.write(bytes(1000))
    return response


async def hanging(request: web.Request) -> web.StreamResponse:
    """Send a first byte and then nothing, for ever."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"x")
    await asyncio.Event().wait()
    return response


def elsewhere(url: str) -> Answer:
    """Redirect to another server."""

    async def answer(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(url + request.path_qs)

    return answer


async def broken(request: web.Request) -> web.Response:
    """Answer that something went wrong."""
    del request
    return web.Response(status=500, text="disk on fire")
