"""The servers that the figures stand beside: what the same parts can do when nothing is promised.

python -m bench.floors noop PORT             read the body, answer 202
python -m bench.floors insert PORT DSN       one INSERT of a row and a job, committed, a request
python -m bench.floors memory PORT BYTES     GET: the same bytes from memory
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator

import asyncpg
import uvloop
from aiohttp import web

POOL = web.AppKey("pool", asyncpg.Pool)
# As long as a receipt of one event.
_RECEIPT = b'{"accepted":1,"duplicates":0,"rejected":[],"pinned_through":{},"wanted":[],"erase":[]}'
_TABLES = """
    CREATE SCHEMA IF NOT EXISTS floor;
    CREATE TABLE IF NOT EXISTS floor.frames (
        frame_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body bytea NOT NULL);
    CREATE TABLE IF NOT EXISTS floor.jobs (
        job_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, frame_id bigint NOT NULL);
"""
_INSERT = """
    WITH frame AS (INSERT INTO floor.frames (body) VALUES ($1) RETURNING frame_id)
    INSERT INTO floor.jobs (frame_id) SELECT frame_id FROM frame
"""


async def _noop(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(body=_RECEIPT, status=202, content_type="application/json")


async def _insert(request: web.Request) -> web.Response:
    await request.app[POOL].execute(_INSERT, await request.read())
    return web.Response(body=_RECEIPT, status=202, content_type="application/json")


def noop() -> web.Application:
    """Return the server that only reads and answers."""
    app = web.Application()
    app.router.add_post("/{path:.*}", _noop)
    return app


def insert(dsn: str) -> web.Application:
    """Return the server that commits once a request, on ten connections."""
    app = web.Application()
    app.router.add_post("/{path:.*}", _insert)

    async def pool(app: web.Application) -> AsyncIterator[None]:
        async with asyncpg.create_pool(dsn, min_size=10, max_size=10) as opened:
            await opened.execute(_TABLES)
            app[POOL] = opened
            yield

    app.cleanup_ctx.append(pool)
    return app


def memory(size_bytes: int) -> web.Application:
    """Return the server that answers with the same bytes every time."""
    data = os.urandom(size_bytes)

    async def answer(request: web.Request) -> web.Response:
        del request
        return web.Response(body=data, content_type="image/jpeg")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    return app


async def _serve(app: web.Application, port: int) -> None:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


def main(kind: str, port: str, *rest: str) -> None:
    """Serve one of the floors until killed."""
    match kind, rest:
        case "noop", ():
            app = noop()
        case "insert", (dsn,):
            app = insert(dsn)
        case "memory", (size,):
            app = memory(int(size))
        case _:
            sys.exit(__doc__)
    uvloop.run(_serve(app, int(port)))


if __name__ == "__main__":
    main(*sys.argv[1:])
