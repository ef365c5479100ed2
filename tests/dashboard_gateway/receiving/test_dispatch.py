"""The dispatcher through outages, kills and company."""

from typing import Any

from dashboard_gateway import cameras, queue
from dashboard_gateway.app import DISPATCHING
from dashboard_gateway.orphans import Orphans
from pinhole.contract.cid import Cid
from pinhole.contract.pins import Origin
from pinhole.runtime.postgres import Pool
from tests.dashboard_gateway.receiving.broken import detector_that_dies_of, silent_service
from tests.dashboard_gateway.receiving.centre import Centre, frame
from tests.dashboard_gateway.receiving.conftest import StartDashboard
from tests.dashboard_gateway.receiving.processes import dashboard
from tests.dashboard_gateway.receiving.sending import Sender, count, rows
from tests.support.databases import Databases
from tests.support.outages import no_postgres
from tests.support.polling import Eventually

DONE = ("pinned", "detected")


async def capture(centre: Centre, camera: Sender, photo: bytes, number: int) -> None:
    """Send `number` frames with other bytes each and the same picture in them."""
    pictures = [photo + n.to_bytes(4, "big") for n in range(number)]
    for picture in pictures:
        await centre.capture(picture)
    await camera.send(*(camera.frame(picture) for picture in pictures))


async def health(centre: Centre) -> dict[str, Any]:
    async with centre.client.get("/healthz") as response:
        body: dict[str, Any] = await response.json()
        return body


async def test_outage_of_pinning_costs_time_and_nothing_else(
    centre: Centre, photo: bytes, eventually: Eventually
) -> None:
    camera = await centre.enrol()
    await eventually(centre.has_no_jobs)
    await centre.pinning.stop()
    await capture(centre, camera, photo, 3)

    async def is_red() -> bool:
        return "pinning" in (await health(centre))["parts"]["neighbours"]

    await eventually(is_red)
    assert await centre.states() == [("awaited", "waiting")] * 3
    attempts = "SELECT sum(pin_attempts) FROM dashboard.frames"
    assert await count(centre.pool, attempts) == 0, "an outage is not the frames' fault"
    await centre.pinning.start()
    await eventually(lambda: centre.stand([DONE] * 3), 40)
    await eventually(lambda: _is_healthy(centre))


async def test_outage_of_the_detector_leaves_frames_pinned_and_waiting(
    centre: Centre, photo: bytes, eventually: Eventually
) -> None:
    camera = await centre.enrol()
    await centre.detector.stop()
    await capture(centre, camera, photo, 3)
    await eventually(lambda: centre.stand([("pinned", "waiting")] * 3), 30)
    answer = await camera.send(camera.heartbeat())
    assert answer.receipt.pinned_through == {camera.stream: 3}
    await centre.detector.start()
    await eventually(lambda: centre.stand([DONE] * 3), 40)


async def test_outage_of_postgres_is_survived_by_frames_under_way(
    centre: Centre,
    photo: bytes,
    postgres_dsn: str,
    postgres_databases: Databases,
    eventually: Eventually,
) -> None:
    camera = await centre.enrol()
    await capture(centre, camera, photo, 5)
    async with no_postgres(postgres_databases, postgres_dsn):
        assert (await camera.send(camera.heartbeat())).status == 503
    await eventually(lambda: centre.stand([DONE] * 5), 40)
    await eventually(lambda: _is_healthy(centre), 30)


async def _is_healthy(centre: Centre) -> bool:
    return bool((await health(centre))["status"] == "ok")


async def test_jobs_of_a_killed_dispatcher_are_taken_by_another_within_seconds(
    centre: Centre,
    photo: bytes,
    postgres_dsn: str,
    start_dashboard: StartDashboard,
    eventually: Eventually,
) -> None:
    # The only dispatcher is a process whose pinning never answers: its jobs stay in its hands.
    await centre.client.close()
    camera = await centre.enrol()
    receiving = await start_dashboard()
    camera.client = receiving
    async with silent_service() as url:
        async with dashboard(
            "dispatch", postgres_dsn=postgres_dsn, pinning_url=url, job_stale_after_s=1
        ) as (process, _):
            await capture(centre, camera, photo, 3)
            picked = "SELECT count(*) FROM dashboard.pgqueuer WHERE status = 'picked'"
            await eventually(lambda: _is(centre.pool, picked, 2), 10)
            process.kill()
            await process.wait()
        assert await count(centre.pool, picked) == 2
        await start_dashboard(DISPATCHING, **centre.settings)
        await eventually(lambda: centre.stand([DONE] * 3), 15)


async def _is(pool: Pool, query: str, number: int) -> bool:
    return await count(pool, query) == number


async def test_two_dispatchers_share_the_work_and_do_nothing_twice(
    centre: Centre, photo: bytes, start_dashboard: StartDashboard, eventually: Eventually
) -> None:
    await start_dashboard(DISPATCHING, **centre.settings)
    camera = await centre.enrol()
    for n in range(30):
        picture = photo + f"share {n}".encode()
        await centre.capture(picture)
        await camera.send(camera.frame(picture))
    await eventually(lambda: centre.stand([DONE] * 30), 60)
    doubled = """
        SELECT count(*) FROM (SELECT frame_id FROM dashboard.detections
        GROUP BY frame_id, ordinal HAVING count(*) > 1) AS twice
    """
    assert await count(centre.pool, doubled) == 0
    assert await count(centre.pool, "SELECT count(*) FROM dashboard.inferences") == 30


async def test_stopped_dispatcher_gives_its_jobs_back_at_once(
    centre: Centre,
    photo: bytes,
    start_dashboard: StartDashboard,
    eventually: Eventually,
) -> None:
    await centre.client.close()
    camera = await centre.enrol()
    camera.client = await start_dashboard()
    async with silent_service() as url:
        stopped = await start_dashboard(
            DISPATCHING, **{**centre.settings, "pinning_url": url, "job_stale_after_s": 600}
        )
        await capture(centre, camera, photo, 2)
        picked = "SELECT count(*) FROM dashboard.pgqueuer WHERE status = 'picked'"
        await eventually(lambda: _is(centre.pool, picked, 2))
        await stopped.close()
        queued = "SELECT count(*) FROM dashboard.pgqueuer WHERE status = 'queued'"
        assert await count(centre.pool, queued) == 2


async def test_attempts_at_missing_bytes_end_and_the_frame_says_why(
    centre: Centre, eventually: Eventually
) -> None:
    camera = await centre.enrol()
    await camera.send(camera.frame(frame()))
    await eventually(lambda: centre.stand([("missing", "waiting")]), 30)
    # As if all attempts but one had been made.
    await centre.pool.execute("UPDATE dashboard.frames SET pin_attempts = 11")
    await centre.pool.execute("UPDATE dashboard.pgqueuer SET execute_after = now()")
    await eventually(centre.has_no_jobs)
    (row,) = await centre.frames()
    assert (row["bytes_state"], row["pin_attempts"]) == ("missing", 12)
    assert row["reason"] == "NOT_AT_ORIGIN"


async def test_frame_that_breaks_the_detector_every_time_ends_failed_and_others_do_not(
    centre: Centre, photo: bytes, start_dashboard: StartDashboard, eventually: Eventually
) -> None:
    poison = photo + b"poison"
    await centre.client.close()
    camera = await centre.enrol()
    async with detector_that_dies_of(Cid.of(poison), centre.detector.url) as url:
        camera.client = await start_dashboard()
        await start_dashboard(
            DISPATCHING, **{**centre.settings, "yolo_url": url, "inference_attempts": 3}
        )
        pictures = [photo + bytes([n]) for n in range(4)] + [poison]
        for picture in pictures:
            await centre.capture(picture)
        await camera.send(*(camera.frame(picture) for picture in pictures))
        await eventually(lambda: centre.stand([DONE] * 4 + [("pinned", "failed")]), 60)
    row = (await centre.frames())[-1]
    assert (row["reason"], row["analysis_attempts"]) == ("BROKE_OFF", 3)


async def test_frames_without_a_job_are_found_and_given_one(
    centre: Centre, photo: bytes, eventually: Eventually
) -> None:
    camera = await centre.enrol()
    await eventually(centre.has_no_jobs)
    await centre.pinning.stop()
    await capture(centre, camera, photo, 3)
    await centre.client.close()
    # Where there is a job, there is no orphan.
    assert await Orphans(centre.pool, older_than_s=0).adopt() == 0
    await centre.pool.execute("DELETE FROM dashboard.pgqueuer")
    assert await Orphans(centre.pool, older_than_s=60).adopt() == 0
    assert await Orphans(centre.pool, older_than_s=0).adopt() == 3
    (job,) = await rows(centre.pool, "SELECT * FROM dashboard.pgqueuer")
    assert len(queue.ids_of(bytes(job["payload"]))) == 3


async def test_frames_that_find_no_room_at_the_detector_are_pinned_and_wait_in_the_queue(
    centre: Centre, photo: bytes, start_dashboard: StartDashboard, eventually: Eventually
) -> None:
    await centre.client.close()
    camera = await centre.enrol()
    camera.client = await start_dashboard()
    async with silent_service() as url:
        stuck = await start_dashboard(
            DISPATCHING, **{**centre.settings, "yolo_url": url, "analysing_at_once": 2}
        )
        await capture(centre, camera, photo, 10)
        await eventually(lambda: centre.stand([("pinned", "waiting")] * 10), 30)
        handed = "SELECT count(*) FROM dashboard.pgqueuer WHERE entrypoint = 'analyses'"
        await eventually(lambda: _is(centre.pool, handed, 1))
        await stuck.close()
    await start_dashboard(DISPATCHING, **centre.settings)
    await eventually(lambda: centre.stand([DONE] * 10), 60)


async def test_enrolment_tells_pinning_the_origin_and_looks_again_for_what_was_missing(
    centre: Centre, photo: bytes, eventually: Eventually
) -> None:
    camera = await centre.enrol(gateway_url="http://127.0.0.1:1")
    await centre.capture(photo)
    await camera.send(camera.frame(photo))
    await eventually(lambda: centre.stand([("missing", "waiting")]), 30)
    await centre.enrol()
    await eventually(lambda: centre.stand([DONE]), 30)
    origin = await _origin(centre)
    assert origin == Origin(gateway_url=centre.camera_kubo.gateway_url)


async def _origin(centre: Centre) -> Origin | None:
    (row,) = await rows(centre.pool, "SELECT peer_id, gateway_url, addresses FROM pinning.origins")
    return Origin(**row)


async def test_revoked_camera_is_dialled_no_more(centre: Centre, eventually: Eventually) -> None:
    camera = await centre.enrol()
    known = "SELECT count(*) FROM pinning.origins"
    await eventually(lambda: _is(centre.pool, known, 1))
    await cameras.revoke(centre.pool, camera.site, camera.name)
    await eventually(lambda: _is(centre.pool, known, 0))


async def test_dispatcher_that_does_nothing_while_jobs_wait_turns_red(
    centre: Centre, photo: bytes, start_dashboard: StartDashboard, eventually: Eventually
) -> None:
    await centre.client.close()
    camera = await centre.enrol()
    camera.client = await start_dashboard()
    async with silent_service() as url:
        stuck = await start_dashboard(
            DISPATCHING,
            **{
                **centre.settings,
                "pinning_url": url,
                "jobs_at_once": 4,
                "pin_wait_s": 60,
                "stalls_after_s": 2,
            },
        )
        for n in range(6):
            await camera.send(camera.frame(photo + bytes([n])))

        async def is_red() -> bool:
            async with stuck.get("/healthz") as response:
                parts = (await response.json())["parts"]
            return "no progress" in parts["dispatch"]

        await eventually(is_red, 15)
        await stuck.close()
