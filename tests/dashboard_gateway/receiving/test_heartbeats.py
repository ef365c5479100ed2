"""What a camera says beside its frames: how it is, what it lost or erased."""

from datetime import UTC, datetime, timedelta

from pinhole.runtime.postgres import Pool
from tests.dashboard_gateway.receiving.sending import Sender, rows
from tests.dashboard_gateway.receiving.stored import stored


async def test_heartbeat_says_how_the_camera_is_and_hears_what_is_settled(
    camera: Sender, pool: Pool
) -> None:
    await camera.send(camera.frame(), camera.frame())
    await pool.execute("UPDATE dashboard.frames SET bytes_state = 'pinned' WHERE seq = 1")
    answer = await camera.send(camera.heartbeat(spool_depth=7))
    assert answer.receipt.pinned_through == {camera.stream: 1}
    (row,) = await rows(pool, "SELECT status, status_at, last_event_at FROM dashboard.cameras")
    assert row["status"]["spool_depth"] == 7
    assert row["status_at"] == row["last_event_at"]


async def test_repeated_older_heartbeat_does_not_replace_a_newer_one(
    camera: Sender, pool: Pool
) -> None:
    now = datetime.now(UTC)
    older = camera.heartbeat(spool_depth=1)
    await camera.send(older, at=now - timedelta(seconds=30))
    await camera.send(camera.heartbeat(spool_depth=2), at=now)
    await camera.send(older, at=now - timedelta(seconds=30))
    (row,) = await rows(pool, "SELECT status FROM dashboard.cameras")
    assert row["status"]["spool_depth"] == 2


async def test_lost_range_is_settled_and_what_was_awaited_in_it_is_lost(
    camera: Sender, pool: Pool
) -> None:
    await camera.send(*(camera.frame() for _ in range(4)))
    await pool.execute("UPDATE dashboard.frames SET bytes_state = 'pinned' WHERE seq IN (1, 3)")
    declaration = camera.lost(2, 6)
    answer = await camera.send(declaration)
    assert (answer.receipt.accepted, answer.receipt.pinned_through) == (1, {camera.stream: 6})
    states = await rows(pool, "SELECT bytes_state FROM dashboard.frames ORDER BY seq")
    assert [row["bytes_state"] for row in states] == ["pinned", "lost", "pinned", "lost"]
    again = await camera.send(declaration)
    assert (again.receipt.accepted, again.receipt.duplicates) == (0, 1)
    other = {**declaration, "data": {**declaration["data"], "reason": "fire"}}
    assert (await camera.send(other)).status == 409


async def test_event_that_was_declared_lost_comes_too_late(camera: Sender, pool: Pool) -> None:
    event = camera.frame()
    await camera.send(camera.lost(1, 1))
    answer = await camera.send(event)
    assert (answer.status, answer.reason) == (409, "CONFLICT")
    assert (await stored(pool))["frames"] == 0


async def test_camera_that_erased_what_the_hub_never_had_is_believed(
    camera: Sender, pool: Pool
) -> None:
    event = camera.frame(b"a face")
    await camera.send(event, camera.frame(b"a street"))
    erased = camera.event("frame.erased", {"cids": [event["subject"]]})
    assert (await camera.send(erased)).receipt.accepted == 1
    states = await rows(pool, "SELECT bytes_state FROM dashboard.frames ORDER BY seq")
    assert [row["bytes_state"] for row in states] == ["erased", "awaited"]
