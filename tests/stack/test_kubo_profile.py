"""A node runs with exactly the settings that were decided, and they do what they are for."""

import json
import os
import subprocess
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import aiohttp
import pytest

from pinhole.contract.cid import Cid
from pinhole.runtime.kubo import KuboError, KuboRpc, KuboTimeout
from pinhole.stack.kubo_node import DENYLIST, KuboNode
from pinhole.stack.kubo_profile import (
    Addresses,
    Role,
    Section,
    bloom_filter_bytes,
    laid_over,
    profile,
)
from tests.support.kubo import Swarm


def config_of(node: KuboNode) -> dict[str, Any]:
    shown = subprocess.run(
        (node.binary, "config", "show"),
        env={**os.environ, **node.program().env},
        capture_output=True,
        check=True,
    )
    config: dict[str, Any] = json.loads(shown.stdout)
    return config


def differences(wanted: Mapping[str, Any], seen: Mapping[str, Any], path: str = "") -> list[str]:
    """Return where `seen` is not what `wanted` says; what `wanted` does not name is free."""
    found = []
    for key, value in wanted.items():
        name = f"{path}.{key}"
        if isinstance(value, dict) and value:
            found += differences(value, seen.get(key) or {}, name)
        elif seen.get(key) != value and (value or seen.get(key)):
            found.append(f"{name}: {seen.get(key)!r}, not {value!r}")
    return found


def texts_in(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in texts_in(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in texts_in(inner)]
    return [value] if isinstance(value, str) else []


def wanted_of(node: KuboNode, **chosen: Any) -> Section:
    addresses = Addresses(
        api=f"/ip4/127.0.0.1/tcp/{node.ports.api}",
        gateway=f"/ip4/127.0.0.1/tcp/{node.ports.gateway}",
        swarm=[f"/ip4/127.0.0.1/tcp/{node.ports.swarm}"],
    )
    return profile(node.role, addresses, **chosen)


def test_the_running_hub_has_the_hubs_settings(hub_kubo: KuboNode) -> None:
    wanted = wanted_of(hub_kubo, expected_blocks=100_000)
    assert differences(wanted, config_of(hub_kubo)) == []


def test_the_running_camera_has_the_cameras_settings(
    hub_kubo: KuboNode, camera_kubo: KuboNode
) -> None:
    wanted = wanted_of(camera_kubo, peers=(hub_kubo.as_peer(),))
    assert differences(wanted, config_of(camera_kubo)) == []


def test_nothing_is_left_to_automatic_configuration(
    hub_kubo: KuboNode, camera_kubo: KuboNode
) -> None:
    for node in (hub_kubo, camera_kubo):
        assert "auto" not in texts_in(config_of(node))


def test_the_denylist_is_there_before_the_start(hub_kubo: KuboNode) -> None:
    # Kubo watches only the files that exist when it starts.
    assert (hub_kubo.repo / DENYLIST).exists()
    assert (hub_kubo.repo / "swarm.key").stat().st_mode & 0o077 == 0


async def test_the_hub_gives_nothing_away_over_bitswap(
    hub_kubo: KuboNode, camera_kubo: KuboNode
) -> None:
    async with aiohttp.ClientSession() as session:
        cid = await KuboRpc(session, hub_kubo.rpc_url).block_put(os.urandom(500))
        with pytest.raises((KuboTimeout, KuboError)):
            # 1 s: the other way round a block takes 40 ms.
            await KuboRpc(session, camera_kubo.rpc_url).block_get(cid, timeout_s=1)


async def test_the_gateway_answers_raw_blocks_only_and_asks_nobody(
    hub_kubo: KuboNode, camera_kubo: KuboNode
) -> None:
    data = b"\xff\xd8 a picture \xff\xd9"
    async with aiohttp.ClientSession() as session:
        cid = await KuboRpc(session, camera_kubo.rpc_url).block_put(data)
        for url, status in (
            (f"{camera_kubo.gateway_url}/ipfs/{cid}?format=raw", HTTPStatus.OK),
            (f"{camera_kubo.gateway_url}/ipfs/{cid}", HTTPStatus.NOT_ACCEPTABLE),
            (f"{hub_kubo.gateway_url}/ipfs/{cid}?format=raw", HTTPStatus.NOT_FOUND),
        ):
            async with session.get(url) as answer:
                assert answer.status == status, url


async def test_the_rpc_obeys_only_the_token_and_only_in_named_commands(swarm: Swarm) -> None:
    with swarm.started(Role.CAMERA, rpc_token="the-cameras-own") as node:
        async with aiohttp.ClientSession() as session:
            good = {"Authorization": "Bearer the-cameras-own"}
            for path, headers, status in (
                ("id", {}, HTTPStatus.FORBIDDEN),
                ("id", {"Authorization": "Bearer another"}, HTTPStatus.FORBIDDEN),
                ("id", good, HTTPStatus.OK),
                ("config/show", good, HTTPStatus.FORBIDDEN),
                ("pin/remote/ls", good, HTTPStatus.FORBIDDEN),
                ("shutdown", good, HTTPStatus.FORBIDDEN),
            ):
                async with session.post(f"{node.rpc_url}/api/v0/{path}", headers=headers) as answer:
                    assert answer.status == status, path
            rpc = KuboRpc(session, node.rpc_url, token=node.rpc_token)
            assert await rpc.block_put(b"frame") == Cid.of(b"frame")


async def test_every_command_that_the_hub_needs_is_allowed(swarm: Swarm) -> None:
    with swarm.started(Role.HUB, rpc_token="pinnings-own") as node:
        async with aiohttp.ClientSession() as session:
            rpc = KuboRpc(session, node.rpc_url, token=node.rpc_token)
            cid = await rpc.block_put(b"frame")
            await rpc.pin_add([cid])
            assert await rpc.is_pinned(cid)
            assert [pin async for pin in rpc.pins()] == [cid]
            assert await rpc.block_stat(cid) == len(b"frame")
            assert await rpc.block_get(cid) == b"frame"
            await rpc.pin_rm([cid])
            await rpc.block_rm([cid])
            assert await rpc.block_stat(cid) is None
            await rpc.add_tree(os.urandom(10_000))
            assert (await rpc.identity()).peer_id == node.peer_id
            assert (await rpc.repo_stat())["RepoSize"] > 0


def test_preparing_again_keeps_the_identity(swarm: Swarm) -> None:
    node = swarm.node(Role.CAMERA)
    node.prepare(swarm.key)
    identity = node.peer_id
    node.prepare(swarm.key)
    assert node.peer_id == identity


def test_the_overlay_replaces_lists_and_empties_objects() -> None:
    below = {"DNS": {"Resolvers": {".": "auto"}}, "Bootstrap": ["auto"], "Kept": {"a": 1}}
    above: Section = {"DNS": {"Resolvers": {}}, "Bootstrap": [], "Kept": {"b": 2}}
    assert laid_over(below, above) == {
        "DNS": {"Resolvers": {}},
        "Bootstrap": [],
        "Kept": {"a": 1, "b": 2},
    }


@pytest.mark.parametrize(
    ("blocks", "size_bytes"), [(0, 1), (1_000, 2_048), (10_000_000, 16_777_216)]
)
def test_the_bloom_filter_is_a_power_of_two_that_fits(blocks: int, size_bytes: int) -> None:
    # Kubo's own table: 16 MiB for 10 million blocks (docs/config.md).
    assert bloom_filter_bytes(blocks) == size_bytes
