"""Outside clients: bytes over bitswap from a peer of the swarm, single blocks and trees."""

from typing import Any

import aiohttp
import pytest

from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid
from pinhole.contract.dag_pb import links
from pinhole.contract.scopes import Scope
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool
from pinhole.stack.kubo_node import KuboNode
from tests.pinning.conftest import Caller, Service, StartService, frame
from tests.support.polling import Eventually


async def _settled(client: Caller, eventually: Eventually, cid: Cid, **pin: Any) -> dict[str, Any]:
    """Pin a CID and return how it stands in the end."""
    status, added = await client.call("POST", "/pins", json={"cid": str(cid), **pin})
    assert status == 202, added

    async def settled() -> Any:
        _, found = await client.call("GET", f"/pins/{added['requestid']}")
        return found if found["status"] in ("pinned", "failed") else None

    found: dict[str, Any] = await eventually(settled, timeout_s=30)
    return found


@pytest.fixture
async def client(service: Service) -> Caller:
    return await service.client("outside")


async def test_a_block_of_a_connected_peer_is_pinned_directly(
    client: Caller, camera_rpc: KuboRpc, hub: KuboRpc, eventually: Eventually, pool: Pool
) -> None:
    data = frame()
    cid = await camera_rpc.block_put(data)
    assert (await _settled(client, eventually, cid))["status"] == "pinned"
    assert await hub.block_get(cid) == data
    assert await hub.is_pinned(cid, kind="direct")
    row = await pool.fetchrow("SELECT owner, source FROM pinning.bindings")
    assert row is not None
    assert tuple(row) == ("token:outside", "bitswap")


async def test_a_tree_of_a_connected_peer_comes_whole_and_is_pinned_recursively(
    client: Caller, camera_rpc: KuboRpc, hub: KuboRpc, eventually: Eventually, pool: Pool
) -> None:
    data = frame(5_000_000)
    root = await camera_rpc.add_tree(data)
    assert (await _settled(client, eventually, root))["status"] == "pinned"
    assert await hub.is_pinned(root, kind="recursive")
    leaves = links(await hub.block_get(root))
    assert [await hub.block_stat(leaf) for leaf in leaves] == [
        *[MAX_BLOCK_BYTES] * 2,
        5_000_000 - 2 * MAX_BLOCK_BYTES,
    ]
    assert b"".join([await hub.block_get(leaf) for leaf in leaves]) == data
    assert await pool.fetchval("SELECT is_tree FROM pinning.blocks")


async def test_a_tree_over_the_limit_is_refused_before_it_has_come_whole(
    start_service: StartService, camera_rpc: KuboRpc, hub: KuboRpc, eventually: Eventually
) -> None:
    service = await start_service(max_pin_bytes=MAX_BLOCK_BYTES)
    client = await service.client("greedy")
    root = await camera_rpc.add_tree(frame(5_000_000))
    pin = await _settled(client, eventually, root)
    assert (pin["status"], pin["info"]["reason"]) == ("failed", "TOO_LARGE")
    assert not await hub.is_pinned(root, kind="recursive")


async def test_a_tree_over_another_owners_frame_is_not_pinned(
    service: Service, client: Caller, camera_rpc: KuboRpc, hub: KuboRpc, eventually: Eventually
) -> None:
    """A root is quickly made around a leaf that somebody else's frame is."""
    data = frame(3_000_000)
    leaf = data[:MAX_BLOCK_BYTES]
    other = await service.caller("other", Scope.BLOCKS_WRITE)
    await other.push(leaf)
    root = await camera_rpc.add_tree(data)
    pin = await _settled(client, eventually, root)
    assert (pin["status"], pin["info"]["reason"]) == ("failed", "NOT_AT_ORIGIN")
    assert not await hub.is_pinned(root, kind="recursive")
    assert await hub.is_pinned(Cid.of(leaf), kind="direct")


async def test_a_block_that_an_interrupted_attempt_left_is_fetched_again(
    client: Caller, camera_rpc: KuboRpc, hub: KuboRpc, eventually: Eventually
) -> None:
    data = frame()
    cid = await hub.block_put(data)  # unpinned and in no table
    pin = await _settled(client, eventually, cid)
    # Nobody else has it: what lay in the hub's store proves no owner.
    assert (pin["status"], pin["info"]["reason"]) == ("failed", "NOT_AT_ORIGIN")
    assert await hub.block_stat(cid) is None
    await camera_rpc.block_put(data)
    assert (await _settled(client, eventually, cid))["status"] == "pinned"


async def test_a_block_that_claims_to_be_a_tree_and_is_none_fails(
    client: Caller,
    camera_rpc: KuboRpc,
    eventually: Eventually,
    session: aiohttp.ClientSession,
    camera_kubo: KuboNode,
) -> None:
    data = b"\x0a\x05cut"
    query = "cid-codec=dag-pb&allow-big-block=false"
    form = aiohttp.FormData()
    form.add_field("data", data, filename="block")
    async with session.post(
        f"{camera_kubo.rpc_url}/api/v0/block/put?{query}", data=form
    ) as response:
        key = (await response.json())["Key"]
    pin = await _settled(client, eventually, Cid.parse(key))
    assert (pin["status"], pin["info"]["reason"]) == ("failed", "BAD_TREE")


async def test_a_client_that_only_named_a_block_does_not_keep_it_from_its_owner(
    service: Service, client: Caller, camera_rpc: KuboRpc, eventually: Eventually
) -> None:
    cid = Cid.of(data := frame())
    stranger = await service.client("stranger")
    assert (await _settled(stranger, eventually, cid))["status"] == "failed"
    await camera_rpc.block_put(data)
    assert (await _settled(client, eventually, cid))["status"] == "pinned"
