"""The load generator counts what really came, and times it from when it was due."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bench import http_bytes, load
from bench.load import Plan, Result

BODY = b"x" * 200_000


class Server:
    """Answers in the ways that the generator has to read; counts who asked."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.delay_s = 0.0

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/large", self.large)
        app.router.add_get("/chunked", self.chunked)
        app.router.add_post("/events", self.events)
        return app

    async def large(self, request: web.Request) -> web.Response:
        del request
        await asyncio.sleep(self.delay_s)
        return web.Response(body=BODY)

    async def chunked(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        for _ in range(3):
            await answer.write(b"y" * 1000)
        await answer.write_eof()
        return answer

    async def events(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        return web.Response(status=503 if self.bodies[-1] == b"bad" else 202, body=b"{}")


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def play(server: Server) -> AsyncIterator[Callable[..., "asyncio.Future[Result]"]]:
    async with TestServer(server.app()) as running:

        def play(scripts: list[list[bytes]], **rest: object) -> "asyncio.Future[Result]":
            plan = Plan(
                host=str(running.host),
                port=running.port or 0,
                scripts=scripts,
                **{"seconds": 1, "warm_up_share": 0, **rest},  # type: ignore[arg-type]
            )
            return asyncio.ensure_future(asyncio.to_thread(load.run, plan))

        yield play


Play = Callable[..., "asyncio.Future[Result]"]


def post(body: bytes) -> bytes:
    return http_bytes.post("/events", body, {"Content-Type": "text/plain"})


async def test_a_script_is_sent_once_in_order_and_its_end_is_told(
    play: Play, server: Server
) -> None:
    result = await play([[post(b"1"), post(b"2"), post(b"3")]], seconds=5)
    assert server.bodies == [b"1", b"2", b"3"]
    assert (result.requests, result.failures, result.exhausted) == (3, 0, True)


async def test_an_answer_of_another_status_is_a_failure(play: Play) -> None:
    result = await play([[post(b"good"), post(b"bad"), post(b"good")]], seconds=5)
    assert (result.requests, result.failures) == (2, 1)
    assert result.statuses == {202: 2, 503: 1}


@pytest.mark.parametrize(("path", "size_bytes"), [("/large", len(BODY)), ("/chunked", 3000)])
async def test_every_byte_of_an_answer_is_waited_for(
    play: Play, path: str, size_bytes: int
) -> None:
    result = await play([[http_bytes.get(path)] * 5], seconds=5)
    assert result.requests == 5
    # Chunks have sizes and line ends around them.
    overhead_bytes = 0 if path == "/large" else 5 * 40
    assert 5 * size_bytes <= result.body_bytes <= 5 * size_bytes + overhead_bytes


async def test_a_closed_loop_repeats_until_the_time_is_over(play: Play) -> None:
    result = await play([[post(b"again")]] * 4, repeat=True, seconds=0.5)
    assert result.requests > 20
    assert not result.exhausted
    assert result.seconds <= 0.6


async def test_an_open_loop_keeps_its_rate(play: Play) -> None:
    result = await play([[post(b"due")]] * 4, repeat=True, seconds=1, rate=100)
    # 100 are due in the second; the last ones may be answered after it.
    assert 90 <= result.requests <= 101


async def test_an_open_loop_counts_from_when_a_request_was_due(play: Play, server: Server) -> None:
    # One connection, due every 50 ms, answered after 150 ms: each is later than the one before.
    server.delay_s = 0.15
    result = await play([[http_bytes.get("/large")]], repeat=True, seconds=1, rate=20)
    assert result.times_s == sorted(result.times_s)
    assert result.times_s[-1] > 0.4
