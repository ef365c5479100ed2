"""What may be seen changes: it holds everywhere within two seconds, and without the listener."""

import asyncpg
import pytest

from dashboard_gateway.gateway import PERMISSIONS
from dashboard_gateway.notices import Listener
from dashboard_gateway.permission import Permissions
from dashboard_gateway.resources import LISTENER
from dashboard_gateway.viewers import Role, Viewer
from pinhole.contract.errors import Gone
from pinhole.runtime.postgres import Pool
from tests.dashboard_gateway.showing.conftest import Client
from tests.support.gallery import Gallery, Shown
from tests.support.polling import Eventually


async def status_of(client: Client, frame: Shown, headers: dict[str, str]) -> int:
    return (await client.get(f"/ipfs/{frame.cid}", headers=headers)).status


@pytest.mark.parametrize(
    "case",
    [
        ("DELETE FROM dashboard.grants", 404),
        ("DELETE FROM dashboard.sessions", 401),
        ("UPDATE dashboard.sessions SET expires_at = now() - interval '1 s'", 401),
        ("UPDATE dashboard.users SET disabled_at = now()", 401),
        ("DELETE FROM dashboard.users", 401),
        ("UPDATE dashboard.users SET must_change_password = true", 403),
        ("UPDATE dashboard.frames SET bytes_state = 'released'", 410),
        ("UPDATE dashboard.frames SET bytes_state = 'missing'", 504),
        ("DELETE FROM dashboard.frames", 404),
    ],
)
async def test_a_change_holds_within_two_seconds(
    showing: Client, gallery: Gallery, frame: Shown, eventually: Eventually, case: tuple[str, int]
) -> None:
    change, after = case
    headers = await gallery.add_session("porter", grants=["north/gate-a"])
    assert await status_of(showing, frame, headers) == 200
    await gallery.pool.execute(change)

    async def holds() -> bool:
        return await status_of(showing, frame, headers) == after

    await eventually(holds, timeout_s=2)


async def test_a_revoked_token_reads_nothing_after_two_seconds(
    showing: Client, gallery: Gallery, frame: Shown, eventually: Eventually
) -> None:
    headers = await gallery.add_token("reader")
    assert await status_of(showing, frame, headers) == 200
    await gallery.pool.execute("UPDATE access.tokens SET revoked_at = now()")

    async def refused() -> bool:
        return await status_of(showing, frame, headers) == 401

    await eventually(refused, timeout_s=2.5)


async def test_a_new_grant_and_a_new_camera_are_seen_at_once(
    showing: Client, gallery: Gallery, frame: Shown, photo: bytes, eventually: Eventually
) -> None:
    headers = await gallery.add_session("porter", grants=["south"])
    assert await status_of(showing, frame, headers) == 404
    await gallery.add_frame(await gallery.add_camera("quay", site="south"), photo)

    async def seen() -> bool:
        return await status_of(showing, frame, headers) == 200

    await eventually(seen, timeout_s=2)


async def test_without_the_listener_nothing_that_was_remembered_is_believed(
    showing: Client, gallery: Gallery, frame: Shown, eventually: Eventually
) -> None:
    headers = await gallery.add_session("porter", grants=["north"])
    assert await status_of(showing, frame, headers) == 200
    # Every notice from now on is lost: the listener's connection dies, and no other may be made.
    listener = showing.app[LISTENER]
    await gallery.pool.execute(
        """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE query = 'SELECT 1' AND pid <> pg_backend_pid() AND datname = current_database()"""
    )
    await eventually(lambda: not listener.connected.is_set(), timeout_s=2)
    await gallery.pool.execute("ALTER TABLE dashboard.frames DISABLE TRIGGER frames_gone")
    await gallery.set_state(frame.frame_id, "erased")
    assert await status_of(showing, frame, headers) == 410


async def test_an_answer_that_an_erasure_overtook_is_not_remembered(
    gallery: Gallery, frame: Shown, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Listener("postgresql://unused")
    listener.connected.set()
    permissions = Permissions(pool, listener)
    viewer = Viewer("root", Role.ADMIN, None)
    find = permissions._find

    async def overtaken(query: str, viewer: Viewer, digest: object) -> asyncpg.Record | None:
        row = await find(query, viewer, frame.cid)
        await gallery.set_state(frame.frame_id, "erased")
        permissions.drop(frame.cid.digest)  # the notice arrives before the answer is used
        return row

    monkeypatch.setattr(permissions, "_find", overtaken)
    await permissions.of(viewer, frame.cid)
    monkeypatch.undo()
    with pytest.raises(Gone):
        await permissions.of(viewer, frame.cid)


async def test_a_remembered_permission_costs_no_query(
    showing: Client, gallery: Gallery, frame: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = await gallery.add_session("porter", grants=["north"])
    assert await status_of(showing, frame, headers) == 200
    permissions = showing.app[PERMISSIONS]
    monkeypatch.setattr(permissions, "_look_up", None)
    assert await status_of(showing, frame, headers) == 200
