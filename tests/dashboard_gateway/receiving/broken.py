"""Neighbours that lie, stall or die, for what the real ones do not do on demand."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from pinhole.contract.cid import Cid


@asynccontextmanager
async def service(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[str]:
    """Serve `answer` for every request; yield the address."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def lying_gateway(data: bytes) -> AsyncIterator[str]:
    """Serve a camera's gateway that answers every CID with `data`."""

    async def answer(request: web.Request) -> web.Response:
        del request
        return web.Response(body=data)

    async with service(answer) as url:
        yield url


@asynccontextmanager
async def silent_service() -> AsyncIterator[str]:
    """Serve a port that takes every request and never answers."""
    over = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        del request
        await over.wait()
        return web.Response(status=500)

    async with service(answer) as url:
        try:
            yield url
        finally:
            over.set()


@asynccontextmanager
async def detector_that_dies_of(poison: Cid, detector_url: str) -> AsyncIterator[str]:
    """Serve a detector that cuts the connection whenever `poison` is among the frames."""
    async with aiohttp.ClientSession() as session:

        async def answer(request: web.Request) -> web.Response:
            body = await request.read()
            if str(poison).encode() in body:
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            headers = {"Authorization": request.headers["Authorization"]}
            async with session.request(
                request.method, detector_url + request.path, data=body, headers=headers
            ) as real:
                return web.Response(body=await real.read(), status=real.status)

        async with service(answer) as url:
            yield url
