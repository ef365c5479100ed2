"""The hub's gateway: real Kubo for what it says, scripted answers for what it never would."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from dashboard_gateway.hub import HubGateway
from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid
from pinhole.runtime.kubo import (
    BlockMismatch,
    BlockMissing,
    BlockTooLarge,
    KuboError,
    KuboTimeout,
)
from pinhole.stack.kubo_node import KuboNode
from tests.dashboard_gateway.showing.conftest import answering, lying_hub
from tests.support.gallery import Gallery

OK = b"HTTP/1.1 200 OK\r\n"
BODY = b"the bytes"


@pytest.fixture
async def hub(hub_kubo: KuboNode) -> AsyncIterator[HubGateway]:
    """Give the real hub's gateway."""
    hub = HubGateway(hub_kubo.gateway_url, connections=4)
    yield hub
    hub.close()


@pytest.mark.parametrize("size_bytes", [0, 1, 1000, 16_300, 70_000, MAX_BLOCK_BYTES])
async def test_a_block_of_any_size_comes_whole(
    hub: HubGateway, gallery: Gallery, size_bytes: int
) -> None:
    data = bytes(range(256)) * (size_bytes // 256 + 1)
    cid = await gallery.kubo.block_put(data[:size_bytes])
    assert await hub.fetch(cid, timeout_s=5) == data[:size_bytes]


async def test_a_block_that_the_hub_lacks_is_missing(hub: HubGateway) -> None:
    with pytest.raises(BlockMissing):
        await hub.fetch(Cid.of(b"nobody has this"), timeout_s=5)


async def test_after_a_refusal_the_connection_goes_on(hub: HubGateway, gallery: Gallery) -> None:
    cid = await gallery.kubo.block_put(BODY)
    for _ in range(3):
        with pytest.raises(BlockMissing):
            await hub.fetch(Cid.of(b"nobody has this"), timeout_s=5)
        assert await hub.fetch(cid, timeout_s=5) == BODY


async def test_many_at_once_share_the_allowed_connections(
    hub: HubGateway, gallery: Gallery
) -> None:
    blocks = [bytes([number]) * 5000 for number in range(50)]
    cids = [await gallery.kubo.block_put(block) for block in blocks]
    assert await asyncio.gather(*(hub.fetch(cid, timeout_s=5) for cid in cids)) == blocks
    assert len(hub._idle) <= 4


async def test_a_block_over_the_limit_is_not_read(hub: HubGateway, gallery: Gallery) -> None:
    cid = await gallery.kubo.block_put(b"x" * 5000)
    with pytest.raises(BlockTooLarge):
        await hub.fetch(cid, timeout_s=5, limit_bytes=4999)
    assert await hub.fetch(cid, timeout_s=5, limit_bytes=5000) == b"x" * 5000


async def test_other_bytes_than_the_cid_names_are_refused() -> None:
    async with lying_hub(BODY) as url:
        with pytest.raises(BlockMismatch):
            await HubGateway(url, connections=1).fetch(Cid.of(b"asked for"), timeout_s=5)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200",
        OK + b"\r\n" + BODY,
        OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nthe bytes\r\n0\r\n\r\n",
        OK + b"Content-Length: 20\r\n\r\n" + BODY,
        OK + b"Content-Length: 3\r\n\r\n" + BODY,
        OK + b"Content-Length: -9\r\n\r\n" + BODY,
        OK + b"X: " + b"x" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops",
    ],
)
async def test_any_other_answer_is_an_error_that_may_pass(answer: bytes) -> None:
    async with answering(answer) as url:
        with pytest.raises(KuboError):
            await HubGateway(url, connections=1).fetch(Cid.of(BODY), timeout_s=5)


WHOLE = OK + b"Content-Length: 9\r\n\r\n" + BODY


@pytest.mark.parametrize("cut", [10, len(WHOLE) - len(BODY), len(WHOLE) - 3])
async def test_an_answer_in_pieces_is_put_together(cut: int) -> None:
    ended = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(WHOLE[:cut])
        await writer.drain()
        await asyncio.sleep(0)
        writer.write(WHOLE[cut:])
        with contextlib.suppress(ConnectionError):
            await reader.read()  # until the other side closes
        writer.close()
        ended.set()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        hub = HubGateway(f"http://127.0.0.1:{port}", connections=1)
        assert await hub.fetch(Cid.of(BODY), timeout_s=5) == BODY
        hub.close()
        await ended.wait()


async def test_a_connection_that_was_closed_while_idle_is_replaced() -> None:
    async with answering(WHOLE, WHOLE, WHOLE) as url:
        hub = HubGateway(url, connections=1)
        for _ in range(3):  # each answer ends its connection
            assert await hub.fetch(Cid.of(BODY), timeout_s=5) == BODY


async def test_a_hub_that_never_answers_times_out_and_is_asked_anew() -> None:
    silent = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()  # until the other side gives up
        writer.close()
        silent.set()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        hub = HubGateway(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", connections=1)
        with pytest.raises(KuboTimeout):
            await hub.fetch(Cid.of(BODY), timeout_s=0.05)
        await silent.wait()
        assert not hub._idle


async def test_a_hub_that_is_down_is_an_error_that_may_pass(unused_port: int) -> None:
    with pytest.raises(KuboError):
        await HubGateway(f"http://127.0.0.1:{unused_port}", connections=1).fetch(
            Cid.of(BODY), timeout_s=5
        )
