"""Bytes in, CID out: limits, trees, expiry."""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid
from pinhole.contract.pins import BlockStored, Status
from pinhole.contract.scopes import Scope
from pinhole.runtime.http import client_session
from pinhole.runtime.kubo import KuboError, KuboRpc, TrustlessGateway
from pinhole.runtime.postgres import Pool
from pinhole.stack.kubo_node import DENYLIST, KuboNode
from tests.pinning.conftest import Caller, Service, Stage, StartService, frame
from tests.support.polling import Eventually


async def test_a_photograph_comes_back_byte_for_byte_under_its_sha256(
    dispatcher: Caller, photo: bytes, hub_kubo: KuboNode
) -> None:
    stored = BlockStored.model_validate(await dispatcher.push(photo))
    assert stored.sha256 == hashlib.sha256(photo).hexdigest() == stored.cid.sha256
    assert (stored.size_bytes, stored.duplicate) == (len(photo), False)
    async with client_session() as session:
        assert await TrustlessGateway(session, hub_kubo.gateway_url).fetch(stored.cid) == photo


async def test_the_largest_block_is_one_raw_block_and_a_byte_more_is_a_tree(
    dispatcher: Caller, hub: KuboRpc, pool: Pool
) -> None:
    data = frame(MAX_BLOCK_BYTES)
    block = BlockStored.model_validate(await dispatcher.push(data))
    assert block.cid == Cid.of(data)
    tree = BlockStored.model_validate(await dispatcher.push(data + b"!"))
    assert not tree.cid.is_frame
    assert await hub.is_pinned(tree.cid, kind="recursive")
    row = await pool.fetchrow("SELECT * FROM pinning.blocks WHERE cid = $1", tree.cid.binary)
    assert row is not None
    assert (row["is_tree"], row["size_bytes"]) == (True, MAX_BLOCK_BYTES + 1)
    assert row["sha256"] == hashlib.sha256(data + b"!").digest()


async def test_a_tree_has_the_root_that_kubo_gives_the_same_file_on_any_node(
    dispatcher: Caller, camera_rpc: KuboRpc
) -> None:
    data = frame(4_000_000)
    stored = BlockStored.model_validate(await dispatcher.push(data))
    assert stored.sha256 == hashlib.sha256(data).hexdigest()
    assert stored.cid == await camera_rpc.add_tree(data)
    assert (await dispatcher.push(data))["duplicate"] is True


async def test_a_body_over_the_limit_is_refused_announced_or_not(
    dispatcher: Caller, pool: Pool
) -> None:
    async def unannounced() -> AsyncIterator[bytes]:
        for _ in range(6):
            yield bytes(1_000_000)

    for body in (io.BytesIO(bytes(5_000_001)), unannounced()):
        status, answer = await dispatcher.call("POST", "/api/v1/blocks", data=body)
        assert (status, answer["error"]["reason"]) == (413, "TOO_LARGE")
        assert "5000000" in answer["error"]["details"]
    assert await pool.fetchval("SELECT count(*) FROM pinning.blocks") == 0


async def test_an_empty_body_is_refused(dispatcher: Caller) -> None:
    status, answer = await dispatcher.call("POST", "/api/v1/blocks", data=b"")
    assert (status, answer["error"]["reason"]) == (422, "EMPTY_BODY")


async def test_a_push_without_the_scope_stores_nothing(service: Service, pool: Pool) -> None:
    reader = await service.caller("reader", Scope.PINS_READ, Scope.PINS_WRITE)
    status, answer = await reader.call("POST", "/api/v1/blocks", data=frame())
    assert (status, answer["error"]["reason"]) == (403, "FORBIDDEN")
    nobody = Caller(service.session, service.base, {})
    status, answer = await nobody.call("POST", "/api/v1/blocks", data=frame())
    assert (status, answer["error"]["reason"]) == (401, "UNAUTHORIZED")
    assert await pool.fetchval("SELECT count(*) FROM pinning.blocks") == 0


async def test_unclaimed_bytes_expire_after_a_day_and_claimed_ones_never(
    service: Service, pool: Pool
) -> None:
    uploader = await service.caller(
        "uploader", Scope.BLOCKS_WRITE, Scope.PINS_WRITE, Scope.PINS_READ
    )
    cid = Cid.parse((await uploader.push(frame()))["cid"])
    query = "SELECT expires_at, claimed_at FROM pinning.bindings WHERE cid = $1"
    row = await pool.fetchrow(query, cid.binary)
    assert row is not None
    assert row["claimed_at"] is None
    in_a_day = datetime.now(UTC) + timedelta(days=1)
    assert abs(row["expires_at"] - in_a_day) < timedelta(minutes=1)

    status, pin = await uploader.call("POST", "/pins", json={"cid": str(cid)})
    assert (status, pin["status"]) == (202, Status.PINNED)
    row = await pool.fetchrow(query, cid.binary)
    assert row is not None
    assert row["expires_at"] is None
    assert row["claimed_at"] is not None


async def test_a_repeated_push_of_unclaimed_bytes_starts_their_day_anew(
    service: Service, pool: Pool
) -> None:
    uploader = await service.caller("uploader", Scope.BLOCKS_WRITE)
    data = frame()
    await uploader.push(data)
    await pool.execute("UPDATE pinning.bindings SET expires_at = now() + interval '1 minute'")
    await uploader.push(data)
    left = await pool.fetchval("SELECT expires_at - now() FROM pinning.bindings")
    assert left > timedelta(hours=23)


async def test_erased_bytes_are_not_taken_again(
    dispatcher: Caller, pool: Pool, hub: KuboRpc, gate_a: str, camera_rpc: KuboRpc
) -> None:
    data = frame()
    cid = Cid.of(data)
    await pool.execute("INSERT INTO pinning.tombstones (cid) VALUES ($1)", cid.binary)
    status, answer = await dispatcher.call("POST", "/api/v1/blocks", data=data)
    assert (status, answer["error"]["reason"]) == (410, "ERASED")
    await camera_rpc.block_put(data)
    (result,) = await dispatcher.pin(gate_a, [cid])
    assert (result.status, result.reason, result.retryable) == (Status.FAILED, "ERASED", False)
    assert await hub.block_stat(cid) is None


async def test_a_body_that_never_ends_is_given_up(start_service: StartService) -> None:
    service = await start_service(upload_timeout_s=0.2)
    uploader = await service.caller("slow", Scope.BLOCKS_WRITE)

    async def trickle() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.Event().wait()

    status, answer = await uploader.call("POST", "/api/v1/blocks", data=trickle())
    assert (status, answer["error"]["reason"]) == (503, "UPLOAD_TIMEOUT")


async def _deny(node: KuboNode, rpc: KuboRpc, cid: Cid, eventually: Eventually) -> None:
    """Put a CID on a node's denylist and wait until the node has read it."""
    probe = await rpc.block_put(frame(100))
    with (node.repo / DENYLIST).open("a") as denylist:
        denylist.write(f"/ipfs/{cid}\n/ipfs/{probe}\n")

    async def is_read() -> bool:
        try:
            await rpc.pin_add([probe])
        except KuboError:
            return True
        return False

    await eventually(is_read)


async def test_a_block_that_kubo_refuses_fails_with_its_words_and_the_others_are_pinned(
    stage: Stage, gate_a: str, hub_kubo: KuboNode, eventually: Eventually
) -> None:
    """Kubo stores a block on its denylist and refuses to pin it."""
    cids = [await stage.camera.block_put(frame()) for _ in range(5)]
    await _deny(hub_kubo, stage.hub, cids[2], eventually)
    results = await stage.dispatcher.pin(gate_a, cids, wait_s=20)
    assert [result.status for result in results] == [
        *[Status.PINNED] * 2,
        Status.FAILED,
        *[Status.PINNED] * 2,
    ]
    assert results[2].reason == "HUB_REFUSED"
    assert "blocked" in (results[2].details or "")
