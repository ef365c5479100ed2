"""The places for pushed bytes, Kubo and the file tree: both are held by the same tests."""

import asyncio
import hashlib
import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid
from pinhole.contract.errors import Unavailable
from pinhole.contract.pins import BlockStored
from pinhole.contract.scopes import Scope
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool
from pinhole.runtime.settings import BadSettings
from pinning.settings import PinningSettings
from pinning.tree import path_of
from tests.pinning.conftest import Caller, Service, StartService, frame
from tests.pinning.file_store import Command, Tree, jpeg
from tests.support.polling import Eventually

KINDS = ("kubo", "tree")


@dataclass(frozen=True)
class Shop:
    """A running service with one kind of store, and ways to look behind it."""

    service: Service
    kind: str
    tree: Tree
    hub: KuboRpc

    async def client(self, name: str) -> Caller:
        return await self.service.caller(
            name, Scope.BLOCKS_WRITE, Scope.PINS_READ, Scope.PINS_WRITE
        )

    async def is_there(self, cid: Cid) -> bool:
        if self.kind == "tree":
            return (self.tree.root / path_of(cid)).exists()
        return await self.hub.block_stat(cid) is not None

    async def take_away(self, cid: Cid) -> None:
        """Lose a block as a broken disk does."""
        if self.kind == "tree":
            (self.tree.root / path_of(cid)).unlink()
        else:
            await self.hub.pin_rm([cid])
            await self.hub.block_rm([cid])


OpenShop = Callable[[str], Awaitable[Shop]]


@pytest.fixture
def open_shop(start_service: StartService, tree: Tree, hub: KuboRpc) -> OpenShop:
    async def start(kind: str) -> Shop:
        service = await start_service(store=kind, tree_dir=tree.root, release_every_s=0.05)
        return Shop(service, kind, tree, hub)

    return start


@pytest.fixture(params=KINDS)
async def shop(request: pytest.FixtureRequest, open_shop: OpenShop) -> Shop:
    return await open_shop(request.param)


async def fetch(caller: Caller, cid: object) -> tuple[int, bytes]:
    async with caller.session.get(
        f"{caller.base}/api/v1/blocks/{cid}", headers=caller.headers
    ) as response:
        return response.status, await response.read()


async def test_what_is_stored_comes_back_byte_for_byte_under_its_hash(shop: Shop) -> None:
    client = await shop.client("a")
    for size_bytes in (1, 20_000, MAX_BLOCK_BYTES):
        data = frame(size_bytes)
        stored = BlockStored.model_validate(await client.push(data))
        assert stored.sha256 == stored.cid.sha256 == hashlib.sha256(data).hexdigest()
        assert (stored.size_bytes, stored.duplicate) == (size_bytes, False)
        assert await shop.is_there(stored.cid)
        assert await fetch(client, stored.cid) == (200, data)


async def test_a_duplicate_is_told_to_its_owner_and_to_nobody_else(shop: Shop) -> None:
    data = frame()
    first, second = await shop.client("a"), await shop.client("b")
    assert (await first.push(data))["duplicate"] is False
    assert (await first.push(data))["duplicate"] is True
    assert (await second.push(data))["duplicate"] is False


async def test_knowing_a_cid_opens_nothing(shop: Shop) -> None:
    data = frame()
    owner, stranger = await shop.client("a"), await shop.client("b")
    cid = (await owner.push(data))["cid"]
    unknown = Cid.of(frame())
    answers = [await fetch(stranger, cid), await fetch(stranger, unknown)]
    assert [status for status, _ in answers] == [404, 404]
    assert answers[0][1].replace(cid.encode(), b"") == answers[1][1].replace(
        str(unknown).encode(), b""
    )
    writer = await shop.service.caller("w", Scope.BLOCKS_WRITE)
    assert (await fetch(writer, cid))[0] == 403


async def test_the_same_bytes_from_many_at_once_are_one_object(shop: Shop, pool: Pool) -> None:
    data = frame()
    clients = [await shop.client(f"c{number}") for number in range(5)]
    answers = await asyncio.gather(*(client.push(data) for client in clients * 3))
    assert sum(not answer["duplicate"] for answer in answers) == 5
    assert await pool.fetchval("SELECT count(*) FROM pinning.blocks") == 1
    assert await pool.fetchval("SELECT count(*) FROM pinning.bindings") == 5


async def test_erased_bytes_are_not_taken_again(shop: Shop, pool: Pool) -> None:
    data = frame()
    cid = Cid.of(data)
    await pool.execute("INSERT INTO pinning.tombstones (cid) VALUES ($1)", cid.binary)
    client = await shop.client("a")
    status, answer = await client.call("POST", "/api/v1/blocks", data=io.BytesIO(data))
    assert (status, answer["error"]["reason"]) == (410, "ERASED")
    assert not await shop.is_there(cid)
    assert await pool.fetchval("SELECT count(*) FROM pinning.blocks") == 0


async def test_a_pin_claims_what_was_stored_and_its_deletion_removes_the_bytes(
    shop: Shop, pool: Pool, eventually: Eventually
) -> None:
    client = await shop.client("a")
    cid = Cid.parse((await client.push(frame()))["cid"])
    status, pin = await client.call("POST", "/pins", json={"cid": str(cid)})
    assert (status, pin["status"]) == (202, "pinned")
    assert await pool.fetchval("SELECT expires_at IS NULL FROM pinning.bindings") is True
    await client.call("DELETE", f"/pins/{pin['requestid']}")

    async def is_gone() -> bool:
        return not await shop.is_there(cid)

    await eventually(is_gone)
    assert (await fetch(client, cid))[0] == 404


async def test_bytes_that_were_lost_are_the_stores_fault_and_a_push_mends_them_in_the_tree(
    shop: Shop,
) -> None:
    client = await shop.client("a")
    data = frame()
    cid = Cid.parse((await client.push(data))["cid"])
    await shop.take_away(cid)
    status, answer = await fetch(client, cid)
    assert (status, b"BLOCK_MISSING" in answer) == (503, True)
    if shop.kind == "tree":  # Kubo's are mended by reconciling
        await client.push(data)
        assert await fetch(client, cid) == (200, data)


async def test_an_address_that_is_no_cid_is_named(shop: Shop) -> None:
    status, answer = await fetch(await shop.client("a"), "not-a-cid")
    assert (status, b"CID_MALFORMED" in answer) == (422, True)


# What only the tree does.


async def test_the_tree_is_the_layout_of_existing_stores(open_shop: OpenShop) -> None:
    shop = await open_shop("tree")
    data = jpeg()
    sha256 = hashlib.sha256(data).hexdigest()
    await (await shop.client("a")).push(data)
    files = [path for path in shop.tree.root.rglob("*") if path.is_file()]
    assert files == [shop.tree.root / sha256[:2] / sha256[2:4] / f"{sha256}.jpg"]
    assert files[0].read_bytes() == data
    assert await shop.hub.block_stat(Cid.of(data)) is None


async def test_the_tree_takes_no_more_than_a_block(open_shop: OpenShop) -> None:
    shop = await open_shop("tree")
    client = await shop.client("a")
    body = io.BytesIO(frame(MAX_BLOCK_BYTES + 1))
    status, answer = await client.call("POST", "/api/v1/blocks", data=body)
    assert (status, answer["error"]["reason"]) == (413, "TOO_LARGE")
    assert str(MAX_BLOCK_BYTES) in answer["error"]["details"]


async def test_a_file_that_was_changed_is_never_served_and_a_push_mends_it(
    open_shop: OpenShop,
) -> None:
    shop = await open_shop("tree")
    client = await shop.client("a")
    data = jpeg()
    cid = Cid.parse((await client.push(data))["cid"])
    (shop.tree.root / path_of(cid)).write_bytes(b"something else")
    status, answer = await fetch(client, cid)
    assert (status, b"HASH_MISMATCH" in answer) == (503, True)
    await client.push(data)
    assert await fetch(client, cid) == (200, data)


async def test_a_tree_that_cannot_be_written_is_an_outage_and_shows(
    open_shop: OpenShop, pool: Pool
) -> None:
    shop = await open_shop("tree")
    client = await shop.client("a")
    await asyncio.to_thread(shop.tree.root.rmdir)
    status, answer = await client.call("POST", "/api/v1/blocks", data=jpeg())
    assert (status, answer["error"]["reason"]) == (503, "TREE_UNAVAILABLE")
    assert await pool.fetchval("SELECT count(*) FROM pinning.blocks") == 0
    async with shop.service.session.get(f"{shop.service.base}/healthz") as response:
        assert response.status == 503
        assert "is not there" in (await response.json())["parts"]["tree"]


async def test_what_should_go_while_the_trees_disk_is_away_goes_when_it_is_back(
    open_shop: OpenShop, pool: Pool, eventually: Eventually
) -> None:
    shop = await open_shop("tree")
    client = await shop.client("a")
    cid = Cid.parse((await client.push(jpeg()))["cid"])
    _, pin = await client.call("POST", "/pins", json={"cid": str(cid)})
    away = shop.tree.root.with_name("away")
    await asyncio.to_thread(shop.tree.root.rename, away)
    await client.call("DELETE", f"/pins/{pin['requestid']}")

    async def is_put_off() -> bool:
        async with shop.service.session.get(f"{shop.service.base}/healthz") as response:
            return "cannot be released" in str(await response.json())

    await eventually(is_put_off)
    assert await pool.fetchval("SELECT count(*) FROM pinning.blocks") == 1
    await asyncio.to_thread(away.rename, shop.tree.root)

    async def is_gone() -> bool:
        return not await shop.is_there(cid)

    await eventually(is_gone, timeout_s=20)


async def test_files_of_several_blocks_come_back_whole_from_kubo(open_shop: OpenShop) -> None:
    shop = await open_shop("kubo")
    client = await shop.client("a")
    data = frame(2 * MAX_BLOCK_BYTES + 5)
    stored = await client.push(data)
    assert await fetch(client, stored["cid"]) == (200, data)


async def test_a_team_begins_with_its_tree_and_moves_to_kubo_later(
    open_shop: OpenShop, command: Command, pool: Pool, eventually: Eventually
) -> None:
    """Bindings, pins and owners stay; only the bytes move, and until then they are read there."""
    before = await open_shop("tree")
    alice, bob = await before.client("alice"), await before.client("bob")
    shared, alone = jpeg(), jpeg()
    for data in (shared, alone):
        await alice.push(data)
    await bob.push(shared)
    cids = [Cid.of(shared), Cid.of(alone)]
    pins = [(await alice.call("POST", "/pins", json={"cid": str(cid)}))[1] for cid in cids]
    assert {pin["status"] for pin in pins} == {"pinned"}

    after = await open_shop("kubo")

    def at_new(caller: Caller) -> Caller:
        return Caller(caller.session, after.service.base, caller.headers)

    alice, bob = at_new(alice), at_new(bob)
    assert await fetch(alice, cids[1]) == (200, alone)  # from the tree still
    ended = await command.import_(after.tree, owner="token:the-move")
    assert (ended.status, ended.counts) == (0, (2, 0, 0)), ended.stderr
    assert await pool.fetchval("SELECT count(*) FROM pinning.blocks WHERE in_file_tree") == 0
    for cid in cids:
        assert await after.hub.is_pinned(cid)
    assert await fetch(bob, cids[0]) == (200, shared)
    assert await pool.fetchval("SELECT count(*) FROM pinning.bindings") == 5

    # What nobody needs any more leaves both places.
    moved = await after.client("the-move")
    _, listed = await moved.call("GET", "/pins")
    for pin in listed["results"]:
        if pin["pin"]["cid"] == str(cids[1]):
            await moved.call("DELETE", f"/pins/{pin['requestid']}")
    await alice.call("DELETE", f"/pins/{pins[1]['requestid']}")

    async def is_gone() -> bool:
        file = after.tree.root / path_of(cids[1])
        return not file.exists() and await after.hub.block_stat(cids[1]) is None

    await eventually(is_gone)
    assert await fetch(bob, cids[0]) == (200, shared)


async def test_a_service_without_its_tree_says_where_it_should_look(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop("tree")
    client = await shop.client("a")
    cid = (await client.push(jpeg()))["cid"]
    elsewhere = await start_service()
    status, answer = await fetch(Caller(client.session, elsewhere.base, client.headers), cid)
    assert (status, b"set PINNING_TREE_DIR" in answer) == (503, True)


def test_a_tree_needs_a_place(settings: Callable[..., PinningSettings]) -> None:
    with pytest.raises(BadSettings, match=r"PINNING_TREE_DIR: .*for PINNING_STORE=tree"):
        settings(store="tree")
    with pytest.raises(BadSettings, match="PINNING_STORE"):
        settings(store="s3")


async def test_a_tree_whose_disk_is_away_is_told_at_the_start(
    start_service: StartService, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match=r"PINNING_TREE_DIR: .* is not there"):
        await start_service(store="tree", tree_dir=tmp_path / "unmounted")
