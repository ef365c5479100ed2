"""The stack's cameras, administrator and tokens are entered once, by the owners' own code."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from pinhole.contract.signing import Ed25519Signer
from pinhole.runtime.postgres import Pool
from pinhole.runtime.tokens import PostgresTokens, hash_of
from pinhole.stack import access, enrol
from pinhole.stack.announcement import announcement, password_file
from pinhole.stack.failure import StackFailure
from pinhole.stack.kubo_node import KuboNode
from pinhole.stack.layout import Layout
from pinhole.stack.options import Options
from pinhole.stack.plan import plan
from pinhole.stack.sources import parse
from pinhole.stack.topology import Topology


def silent(line: str) -> None:
    del line


async def announced(topology: Topology) -> str:
    lines = await asyncio.to_thread(announcement, topology.layout, topology.page_url)
    return "\n".join(lines)


@pytest.fixture
def topology(tmp_path: Path, postgres_dsn: str, camera_kubo: KuboNode) -> Topology:
    """Give a stack of one camera on this test's database; none of its services runs."""
    options = Options(sources=parse(["synthetic:street"]), page_port=8080, fps=None)
    layout = Layout(tmp_path / "home")
    layout.make()
    planned = plan(layout, options, camera_kubo.binary, silent)
    (camera,) = planned.cameras
    return replace(planned, dsn=postgres_dsn, cameras=(replace(camera, node=camera_kubo),))


async def test_a_camera_is_enrolled_with_its_key_and_its_nodes_addresses(
    topology: Topology, pool: Pool, camera_kubo: KuboNode
) -> None:
    (camera,) = topology.cameras
    await enrol.enrol(topology, camera, silent)
    row = await pool.fetchrow("SELECT * FROM dashboard.cameras")
    assert row is not None
    assert (row["site"], row["name"]) == ("home", "street")
    private = Ed25519Signer.parse(camera.key_file(topology.layout).read_text())
    assert row["public_keys"] == [private.public.public]
    assert row["peer_id"] == camera_kubo.peer_id
    assert row["gateway_url"] == camera_kubo.gateway_url


async def test_what_has_not_changed_is_not_entered_again(topology: Topology, pool: Pool) -> None:
    (camera,) = topology.cameras
    lines: list[str] = []
    await enrol.enrol(topology, camera, lines.append)
    await pool.execute("UPDATE dashboard.cameras SET revoked_at = now()")
    await enrol.enrol(topology, camera, lines.append)
    assert lines == ["camera-street is enrolled as home/street"]
    # An operator's revocation outlives a restart.
    assert await pool.fetchval("SELECT revoked_at IS NOT NULL FROM dashboard.cameras")


async def test_a_camera_whose_address_changed_is_entered_again(
    topology: Topology, pool: Pool
) -> None:
    (camera,) = topology.cameras
    await enrol.enrol(topology, camera, silent)
    moved = replace(camera.node, ports=replace(camera.node.ports, gateway=1234))
    await asyncio.to_thread(lambda: moved.peer_id)  # read from its file, once
    await enrol.enrol(topology, replace(camera, node=moved), silent)
    url = await pool.fetchval("SELECT gateway_url FROM dashboard.cameras")
    assert url == "http://127.0.0.1:1234"


async def test_the_one_time_password_is_announced_until_it_is_changed(
    topology: Topology, pool: Pool
) -> None:
    file = password_file(topology.layout)
    for _ in range(2):
        await enrol.make_administrator(topology)
        password = file.read_text()
        assert f"log in as admin with the one-time password {password}" in await announced(topology)
    assert file.stat().st_mode & 0o777 == 0o600
    await pool.execute("UPDATE dashboard.users SET must_change_password = false")
    await enrol.make_administrator(topology)
    assert "password" not in await announced(topology)
    # From now on nobody is asked.
    await enrol.make_administrator(replace(topology, dsn="nowhere"))


async def test_a_refusal_is_repeated_in_the_dashboards_words(topology: Topology) -> None:
    with pytest.raises(StackFailure, match=r"dashboard cameras add failed: .*is no name"):
        await enrol.dashboard_command(
            topology, "cameras", "add", "Not A Name", "x", "--hmac", "--json"
        )


async def test_every_services_token_is_valid_with_its_scopes(
    topology: Topology, pool: Pool
) -> None:
    for _ in range(2):  # a second start changes nothing
        await access.make_valid(pool, topology)
    known = PostgresTokens(pool)
    for grant in access.GRANTS:
        path = topology.layout.secrets_dir(grant.holder) / grant.variable.lower()
        token = await known.find(hash_of(path.read_text()))
        assert token is not None
        assert token.scopes == grant.scopes
    # The detector's list holds who may ask it, and no secret.
    listed = topology.tokens_file.read_text()
    assert "service-dashboard-yolo" in listed
    assert "pnh_" not in listed
