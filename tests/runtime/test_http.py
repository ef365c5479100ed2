"""Errors as bodies, bounded reading, tokens: what every service answers alike."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from pinhole.contract.errors import Busy, Conflict, ErrorBody
from pinhole.contract.pins import Origin
from pinhole.contract.scopes import Scope
from pinhole.runtime.http import BodyCutOff, json_answer, json_body, read_limited
from pinhole.runtime.service import new_app
from pinhole.runtime.tokens import TOKENS, FileTokens, mint, require, write_tokens
from tests.support.polling import Eventually

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def tokens_file(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


@pytest.fixture
async def client(tokens_file: Path) -> AsyncIterator[Client]:
    async def size(request: web.Request) -> web.Response:
        return web.json_response({"size": len(await read_limited(request, 1000))})

    async def echo(request: web.Request) -> web.Response:
        return json_answer(await json_body(request, Origin, 1000))

    async def conflict(request: web.Request) -> web.Response:
        raise Conflict(f"{request.path} was used before")

    async def busy(request: web.Request) -> web.Response:
        raise Busy(f"{request.path} is full", retry_after_s=2.2)

    async def broken(request: web.Request) -> web.Response:
        raise ZeroDivisionError(request.path)

    async def guarded(request: web.Request) -> web.Response:
        token = await require(request, Scope.PINS_WRITE)
        return web.json_response({"owner": token.owner})

    await asyncio.to_thread(write_tokens, tokens_file, [])
    app = new_app("test")
    app[TOKENS] = FileTokens(tokens_file)
    app.router.add_post("/size", size)
    app.router.add_post("/echo", echo)
    for name, handler in {
        "conflict": conflict,
        "busy": busy,
        "broken": broken,
        "guarded": guarded,
    }.items():
        app.router.add_get(f"/{name}", handler)
    async with TestClient(TestServer(app)) as client:
        yield client


async def reason(client: Client, path: str) -> tuple[int, str]:
    async with client.get(path) as response:
        assert response.headers["Cache-Control"] == "no-store"
        body = ErrorBody.model_validate_json(await response.read())
        return response.status, body.error.reason


async def test_every_error_has_the_same_body(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    assert await reason(client, "/conflict") == (409, "CONFLICT")
    assert await reason(client, "/nowhere") == (404, "NOT_FOUND")
    assert await reason(client, "/size") == (405, "METHOD_NOT_ALLOWED")
    assert await reason(client, "/broken") == (500, "INTERNAL")
    assert "ZeroDivisionError" in caplog.text


async def test_an_unexpected_error_tells_a_stranger_nothing(client: Client) -> None:
    async with client.get("/broken") as response:
        assert "ZeroDivision" not in await response.text()


async def test_what_may_pass_says_when_to_try_again(client: Client) -> None:
    async with client.get("/busy") as response:
        assert response.status == 429
        assert response.headers["Retry-After"] == "3"


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_is_read_up_to_its_limit(client: Client, chunked: bool) -> None:
    async def body(size: int) -> AsyncIterator[bytes]:
        for _ in range(size // 100):
            yield bytes(100)

    def sent(size: int) -> bytes | AsyncIterator[bytes]:
        return body(size) if chunked else bytes(size)

    async with client.post("/size", data=sent(1000)) as response:
        assert await response.json() == {"size": 1000}
    async with client.post("/size", data=sent(1100)) as response:
        assert response.status == 413
        assert "limit" in (await response.json())["error"]["details"]


@pytest.mark.parametrize(
    ("framing", "sent"),
    [
        (b"Content-Length: 900", b"x" * 100),
        (b"Transfer-Encoding: chunked", b"40\r\n" + b"x" * 64 + b"\r\n"),
        (b"Transfer-Encoding: chunked", b"40\r\n" + b"x" * 10),
    ],
    ids=["announced", "between chunks", "within a chunk"],
)
async def test_a_body_that_its_sender_cuts_off_is_no_fault_of_ours(
    framing: bytes, sent: bytes, caplog: pytest.LogCaptureFixture, eventually: Eventually
) -> None:
    met: list[str] = []

    async def size(request: web.Request) -> web.Response:
        met.append("begun")
        try:
            return web.Response(body=await read_limited(request, 1000))
        except BodyCutOff as error:
            met.append(f"{error.status} {error.reason}: {error.details}")
            raise

    app = new_app("test")
    app.router.add_post("/size", size)
    # Not aiohttp's server for tests: it cancels a handler whose client is gone, ours goes on.
    runner = web.AppRunner(app, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        _, writer = await asyncio.open_connection(*runner.addresses[0])
        writer.write(b"POST /size HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n" + sent)
        await eventually(lambda: met)
        writer.close()
        await eventually(lambda: len(met) == 2)
    finally:
        await runner.cleanup()
    assert met[1] == "400 BODY_CUT_OFF: the body ended early: Connection lost"
    assert not [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


async def test_a_message_is_checked_and_its_wrong_field_named(client: Client) -> None:
    async with client.post("/echo", data=b'{"peer_id": "12D3"}') as response:
        assert await response.json() == {"peer_id": "12D3", "addresses": []}
    for body, words in [
        (b'{"peer": 1}', "peer"),
        (b"not json", "Invalid JSON"),
        (b'{"peer_id": "' + b"x" * 200 + b'"}', "peer_id"),
        (b"\xff\xfe", "Invalid JSON"),
    ]:
        async with client.post("/echo", data=body) as response:
            assert response.status == 422
            assert words in (await response.json())["error"]["details"]


async def test_a_token_opens_what_its_scopes_name_and_a_new_file_is_seen_at_once(
    client: Client, tokens_file: Path
) -> None:
    secret, token_hash = mint()
    headers = {"Authorization": f"Bearer {secret}"}
    async with client.get("/guarded", headers=headers) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    entry = {"hash": token_hash.hex(), "name": "n8n", "scopes": [Scope.PINS_READ]}
    await asyncio.to_thread(write_tokens, tokens_file, [entry])
    async with client.get("/guarded", headers=headers) as response:
        assert response.status == 403
        assert "pins:write" in (await response.json())["error"]["details"]
    wider = {**entry, "scopes": [Scope.PINS_WRITE]}
    await asyncio.to_thread(write_tokens, tokens_file, [wider])
    async with client.get("/guarded", headers=headers) as response:
        assert await response.json() == {"owner": "token:n8n"}


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic abc", "Bearer " + "x" * 5000, ""])
async def test_a_malformed_credential_is_no_credential(client: Client, header: str) -> None:
    async with client.get("/guarded", headers={"Authorization": header}) as response:
        assert response.status == 401


def test_a_tokens_file_is_its_owners_alone(tokens_file: Path) -> None:
    write_tokens(tokens_file, [])
    assert tokens_file.stat().st_mode & 0o777 == 0o600


async def test_requests_are_counted_by_route_not_by_path(client: Client) -> None:
    await reason(client, "/nowhere")
    async with client.get("/metrics") as response:
        families = {f.name: f for f in text_string_to_metric_families(await response.text())}
    routes = {s.labels["route"] for s in families["pinhole_http_request_seconds"].samples}
    assert "unknown" in routes
    assert "/nowhere" not in routes
