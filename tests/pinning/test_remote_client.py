"""`ipfs pin remote` of a real Kubo node, against the running service."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable

import pytest

from pinhole.contract.cid import Cid
from pinhole.contract.owners import Owner
from pinhole.contract.scopes import Scope, TokenOption
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.tokens import create_token
from pinhole.stack.kubo_node import KuboNode
from pinhole.stack.kubo_profile import Role
from tests.pinning.conftest import Service, frame
from tests.support.kubo import StartNode
from tests.support.polling import Eventually

Ipfs = Callable[..., Awaitable[str]]


@pytest.fixture
async def ipfs(service: Service, start_kubo: StartNode) -> Ipfs:
    """Run `ipfs` on a node of its own, which knows the service as `pinhole`."""
    node: KuboNode = start_kubo(Role.CAMERA)

    async def run(*arguments: str, stdin: bytes = b"") -> str:
        process = await asyncio.create_subprocess_exec(
            str(node.binary),
            *arguments,
            env={**os.environ, "IPFS_PATH": str(node.repo)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, problem = await asyncio.wait_for(process.communicate(stdin), 60)
        assert process.returncode == 0, problem.decode()
        return out.decode().strip()

    secret = await create_token(service.pool, "kubo", [Scope.PINS_READ, Scope.PINS_WRITE])
    await run("pin", "remote", "service", "add", "pinhole", service.base, secret)
    return run


async def test_pin_remote_add_waits_until_the_bytes_are_pinned_here(
    ipfs: Ipfs, hub: KuboRpc
) -> None:
    data = frame()
    cid = await ipfs("add", "-Q", "--cid-version=1", "--raw-leaves", stdin=data)
    answer = await ipfs("pin", "remote", "add", "--service=pinhole", "--name=holiday", cid)
    assert cid in answer
    assert "pinned" in answer
    assert await hub.is_pinned(Cid.parse(cid))
    assert await hub.block_get(Cid.parse(cid)) == data
    listed = await ipfs("pin", "remote", "ls", "--service=pinhole", "--enc=json")
    assert json.loads(listed) == {"Status": "pinned", "Cid": cid, "Name": "holiday"}


async def test_pin_remote_add_of_a_larger_file_pins_its_tree(ipfs: Ipfs, hub: KuboRpc) -> None:
    root = await ipfs("add", "-Q", "--chunker=size-262144", stdin=frame(1_000_000))
    await ipfs("pin", "remote", "add", "--service=pinhole", root)
    assert await hub.is_pinned(Cid.parse(root), kind="recursive")


async def test_pin_remote_in_the_background_then_ls_and_rm(
    ipfs: Ipfs, hub: KuboRpc, eventually: Eventually
) -> None:
    cids = [
        await ipfs("add", "-Q", "--cid-version=1", "--raw-leaves", stdin=frame(100))
        for _ in range(3)
    ]
    remote = ("pin", "remote")
    here = "--service=pinhole"
    for number, cid in enumerate(cids):
        name = f"--name=file-{number}"
        assert "queued" in await ipfs(*remote, "add", here, "--background", name, cid)

    async def listed() -> bool:
        return len((await ipfs(*remote, "ls", here)).splitlines()) == 3

    await eventually(listed, timeout_s=20)
    assert (await ipfs(*remote, "ls", here, f"--cid={cids[1]}")).startswith(cids[1])
    assert (await ipfs(*remote, "ls", here, "--name=file-2")).startswith(cids[2])
    await ipfs(*remote, "rm", here, f"--cid={cids[1]}")
    await ipfs(*remote, "rm", here, "--name=file-2")
    assert (await ipfs(*remote, "ls", here)).split("\t")[0] == cids[0]

    async def gone() -> bool:
        return [await hub.block_stat(Cid.parse(cid)) for cid in cids] == [100, None, None]

    await eventually(gone)


async def test_pin_remote_pages_through_more_pins_than_a_page_holds(
    ipfs: Ipfs, service: Service
) -> None:
    """Kubo asks for ten at a time and goes on by the last one's instant."""
    cid = await ipfs("add", "-Q", "--cid-version=1", "--raw-leaves", stdin=frame(100))
    await ipfs("pin", "remote", "add", "--service=pinhole", cid)
    client = await service.caller("pager", Scope.PINS_WRITE, Scope.PINS_SERVICE)
    kubo = client.acting_for(Owner.token("kubo"))
    pins = [{"cid": cid, "meta": {"event_id": str(number)}} for number in range(34)]
    status, _ = await kubo.call("POST", "/pins/batch?wait_s=10", json={"pins": pins})
    assert status == 200
    assert len((await ipfs("pin", "remote", "ls", "--service=pinhole")).splitlines()) == 35


async def test_pin_remote_pages_through_more_than_two_hundred_pins(
    ipfs: Ipfs, service: Service
) -> None:
    cid = await ipfs("add", "-Q", "--cid-version=1", "--raw-leaves", stdin=frame(100))
    await ipfs("pin", "remote", "add", "--service=pinhole", "--name=first", cid)
    client = await service.caller("pager", Scope.PINS_WRITE, Scope.PINS_SERVICE)
    kubo = client.acting_for(Owner.token("kubo"))
    pins = [
        {"cid": cid, "name": f"pin-{number}", "meta": {"event_id": str(number)}}
        for number in range(230)
    ]
    status, _ = await kubo.call("POST", "/pins/batch?wait_s=10", json={"pins": pins})
    assert status == 200
    listed = await ipfs("pin", "remote", "ls", "--service=pinhole", "--enc=json")
    names = [json.loads(line)["Name"] for line in listed.splitlines()]
    assert names == [*(f"pin-{number}" for number in reversed(range(230))), "first"]


async def test_a_pin_that_kubo_added_is_replaced_and_kubo_sees_the_new_one_only(
    ipfs: Ipfs, service: Service, hub: KuboRpc, eventually: Eventually
) -> None:
    """Kubo has no command for it: the call is the specification's, the bytes are Kubo's."""
    old, new = [
        await ipfs("add", "-Q", "--cid-version=1", "--raw-leaves", stdin=frame(size))
        for size in (100, 200)
    ]
    await ipfs("pin", "remote", "add", "--service=pinhole", "--name=holiday", old)
    client = await service.caller("editor", Scope.PINS_WRITE, Scope.PINS_SERVICE)
    kubo = client.acting_for(Owner.token("kubo"))
    _, listed = await kubo.call("GET", "/pins")
    (before,) = listed["results"]
    status, after = await kubo.call(
        "POST", f"/pins/{before['requestid']}", json={"cid": new, "name": "holiday"}
    )
    assert status == 202
    assert after["requestid"] != before["requestid"]
    assert (await kubo.call("GET", f"/pins/{before['requestid']}"))[0] == 404

    async def listed_by_kubo() -> bool:
        line = await ipfs("pin", "remote", "ls", "--service=pinhole", "--name=holiday")
        return line.startswith(new)

    await eventually(listed_by_kubo, timeout_s=20)

    async def is_gone() -> bool:
        return await hub.block_stat(Cid.parse(old)) is None

    await eventually(is_gone)
    assert await hub.is_pinned(Cid.parse(new))


async def test_a_token_with_the_switch_lists_to_kubo_what_is_not_pinned_yet(
    ipfs: Ipfs, service: Service
) -> None:
    secret = await create_token(
        service.pool,
        "hurried",
        [Scope.PINS_READ, Scope.PINS_WRITE],
        options={TokenOption.UNFINISHED_IN_LISTS: True},
    )
    await ipfs("pin", "remote", "service", "add", "hurried", service.base, secret)
    nobodys = str(Cid.of(frame()))
    add = ("pin", "remote", "add", "--background")
    for name in ("hurried", "pinhole"):
        assert "queued" in await ipfs(*add, f"--service={name}", nobodys)
    async with service.session.get(
        f"{service.base}/pins", headers={"Authorization": f"Bearer {secret}"}
    ) as answer:
        listed = await answer.json()
    assert [result["pin"]["cid"] for result in listed["results"]] == [nobodys]
    assert await ipfs("pin", "remote", "ls", "--service=pinhole") == ""


async def test_pin_remote_service_stat_counts_what_is_pinned(ipfs: Ipfs) -> None:
    cid = await ipfs("add", "-Q", "--cid-version=1", "--raw-leaves", stdin=frame(100))
    await ipfs("pin", "remote", "add", "--service=pinhole", cid)
    listed = await ipfs("pin", "remote", "service", "ls", "--stat", "--enc=json")
    (service,) = json.loads(listed)["RemoteServices"]
    assert service["Stat"]["PinCount"] == {"Queued": 0, "Pinning": 0, "Pinned": 1, "Failed": 0}
