"""When a frame was taken, where the camera's clock is wrong."""

from datetime import UTC, datetime, timedelta

from pinhole.runtime.postgres import Pool
from tests.dashboard_gateway.receiving.sending import Sender, rows


async def test_clock_one_year_off_is_stored_and_marked_and_the_arrival_is_used(
    camera: Sender, pool: Pool
) -> None:
    claimed_at = datetime.now(UTC).replace(microsecond=0) - timedelta(days=365)
    await camera.send(camera.frame(time=claimed_at))
    (frame,) = await rows(pool, "SELECT * FROM dashboard.frames")
    assert frame["claimed_at"] == claimed_at
    assert frame["captured_at"] == frame["received_at"]
    assert abs(frame["received_at"] - datetime.now(UTC)) < timedelta(minutes=1)


async def test_camera_that_knows_its_clocks_error_is_believed(camera: Sender, pool: Pool) -> None:
    year = timedelta(days=365)
    captured_at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
    offset_ms = int(year.total_seconds() * 1000)
    await camera.send(camera.frame(time=captured_at - year, clock_offset_ms=offset_ms))
    (frame,) = await rows(pool, "SELECT * FROM dashboard.frames")
    assert (frame["captured_at"], frame["clock_offset_ms"]) == (captured_at, offset_ms)
    assert frame["claimed_at"] == captured_at - year


async def test_frame_of_a_long_outage_keeps_its_time(camera: Sender, pool: Pool) -> None:
    captured_at = datetime.now(UTC).replace(microsecond=0) - timedelta(days=20)
    await camera.send(camera.frame(time=captured_at))
    (frame,) = await rows(pool, "SELECT * FROM dashboard.frames")
    assert (frame["captured_at"], frame["claimed_at"]) == (captured_at, None)
