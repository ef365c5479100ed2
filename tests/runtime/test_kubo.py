"""The RPC and trustless gateway clients against real nodes, and against one that lies."""

import os
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid, Codec
from pinhole.runtime.http import client_session
from pinhole.runtime.kubo import (
    BlockMismatch,
    BlockMissing,
    BlockTooLarge,
    KuboError,
    KuboRpc,
    KuboTimeout,
    TrustlessGateway,
)
from pinhole.stack.kubo_node import KuboNode


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with client_session() as session:
        yield session


@pytest.fixture
def rpc(session: aiohttp.ClientSession, hub_kubo: KuboNode) -> KuboRpc:
    return KuboRpc(session, hub_kubo.rpc_url, token=hub_kubo.rpc_token)


@pytest.fixture
def gateway(session: aiohttp.ClientSession, hub_kubo: KuboNode) -> TrustlessGateway:
    return TrustlessGateway(session, hub_kubo.gateway_url)


async def test_a_block_is_stored_under_the_hash_of_its_bytes(
    rpc: KuboRpc, gateway: TrustlessGateway
) -> None:
    data = os.urandom(200_000)
    cid = await rpc.block_put(data)
    assert cid == Cid.of(data)
    assert await rpc.block_stat(cid) == len(data)
    assert await rpc.block_get(cid) == data
    assert await gateway.fetch(cid) == data


async def test_the_largest_frame_is_one_block(rpc: KuboRpc, gateway: TrustlessGateway) -> None:
    data = os.urandom(MAX_BLOCK_BYTES)
    cid = await rpc.block_put(data)
    assert cid == Cid.of(data)
    assert await gateway.fetch(cid) == data


async def test_a_frames_pin_is_direct_and_removal_is_complete(rpc: KuboRpc) -> None:
    cid = await rpc.block_put(os.urandom(100))
    await rpc.pin_add([cid])
    assert await rpc.is_pinned(cid)
    assert not await rpc.is_pinned(cid, kind="recursive")
    assert cid in [pinned async for pinned in rpc.pins()]
    with pytest.raises(KuboError, match="pinned"):
        await rpc.block_rm([cid])
    await rpc.pin_rm([cid])
    await rpc.block_rm([cid])
    assert not await rpc.is_pinned(cid)
    assert await rpc.block_stat(cid) is None
    await rpc.block_rm([cid])


async def test_a_large_upload_is_a_tree_with_the_same_root_everywhere(rpc: KuboRpc) -> None:
    root = await rpc.add_tree(bytes(4_000_000))
    assert root.codec is Codec.DAG_PB
    # `ipfs add --cid-version=1 --raw-leaves --chunker=size-2096896` of 4,000,000 zeros.
    assert await rpc.add_tree(bytes(4_000_000)) == root


async def test_a_block_that_nobody_has_is_missing_at_once_not_searched_for(
    rpc: KuboRpc, gateway: TrustlessGateway
) -> None:
    nowhere = Cid.of(os.urandom(32))
    with pytest.raises(BlockMissing):
        await gateway.fetch(nowhere, timeout_s=2)
    assert await rpc.block_stat(nowhere) is None
    with pytest.raises(KuboTimeout):
        await rpc.block_get(nowhere, timeout_s=0.3)


async def test_a_node_tells_who_it_is_and_how_full(rpc: KuboRpc, hub_kubo: KuboNode) -> None:
    identity = await rpc.identity()
    assert identity.peer_id.startswith("12D3KooW")
    assert "kubo/0.4" in identity.agent
    assert (await rpc.repo_stat())["StorageMax"] > 0
    assert hub_kubo.rpc_url.startswith("http://127.0.0.1:")


async def test_a_node_that_is_down_is_an_error_that_may_pass(
    session: aiohttp.ClientSession, unused_port: int
) -> None:
    url = f"http://127.0.0.1:{unused_port}"
    with pytest.raises(KuboError, match="Cannot connect"):
        await KuboRpc(session, url).identity()
    with pytest.raises(KuboError, match="Cannot connect"):
        await TrustlessGateway(session, url).fetch(Cid.of(b"frame"))


@pytest.fixture
async def liar(session: aiohttp.ClientSession) -> AsyncIterator[TrustlessGateway]:
    """A gateway that answers every CID with the same bytes: no real node can be made to."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.query.get("format") == "raw":
            return web.Response(body=b"other bytes")
        return web.Response(status=500)

    app = web.Application()
    app.router.add_get("/ipfs/{cid}", answer)
    async with TestServer(app) as server:
        yield TrustlessGateway(session, str(server.make_url("")))


async def test_bytes_that_do_not_match_are_never_returned(liar: TrustlessGateway) -> None:
    assert await liar.fetch(Cid.of(b"other bytes")) == b"other bytes"
    with pytest.raises(BlockMismatch):
        await liar.fetch(Cid.of(b"frame"))


async def test_no_more_than_the_limit_is_read(liar: TrustlessGateway) -> None:
    with pytest.raises(BlockTooLarge, match="limit is 4"):
        await liar.fetch(Cid.of(b"other bytes"), limit_bytes=4)
