"""Events that come again, or contradict earlier ones."""

from pinhole.runtime.postgres import Pool
from tests.dashboard_gateway.receiving.sending import Client, Sender, count, enrolled, rows
from tests.dashboard_gateway.receiving.stored import FRAME_JOBS, stored


async def test_repeated_delivery_is_counted_and_changes_nothing(camera: Sender, pool: Pool) -> None:
    events = [camera.frame() for _ in range(3)]
    await camera.send(*events)
    before = await rows(pool, "SELECT * FROM dashboard.frames ORDER BY frame_id")
    answer = await camera.send(*events)
    assert (answer.status, answer.receipt.accepted, answer.receipt.duplicates) == (202, 0, 3)
    assert await rows(pool, "SELECT * FROM dashboard.frames ORDER BY frame_id") == before
    assert await stored(pool) == {"frames": 3, "deliveries": 1, "streams": 1, "absences": 0}
    assert await count(pool, FRAME_JOBS) == 1


async def test_event_twice_in_one_batch_is_kept_once(camera: Sender, pool: Pool) -> None:
    event = camera.frame()
    answer = await camera.send(event, event)
    assert (answer.receipt.accepted, answer.receipt.duplicates) == (1, 1)
    assert (await stored(pool))["frames"] == 1


async def test_same_id_with_other_content_is_a_conflict_alone_and_in_a_batch(
    camera: Sender, pool: Pool
) -> None:
    event = camera.frame()
    await camera.send(event)
    changed = {**event, "data": {**event["data"], "width_px": 640}}
    answer = await camera.send(changed)
    assert (answer.status, answer.reason) == (409, "CONFLICT")
    answer = await camera.send(changed, camera.frame())
    assert (answer.status, answer.receipt.accepted) == (202, 1)
    assert [(r.index, r.reason) for r in answer.receipt.rejected] == [(0, "CONFLICT")]
    assert (await stored(pool))["frames"] == 2


async def test_same_place_in_the_stream_with_another_id_is_a_conflict(
    camera: Sender, pool: Pool
) -> None:
    first = camera.frame()
    await camera.send(first)
    other = {**first, "id": camera.unchained()["id"]}
    answer = await camera.send(other)
    assert (answer.status, answer.reason) == (409, "CONFLICT")
    assert (await stored(pool))["frames"] == 1


async def test_unchained_event_is_known_by_its_id_alone(camera: Sender, pool: Pool) -> None:
    event = camera.unchained()
    assert (await camera.send(event)).receipt.accepted == 1
    assert (await camera.send(event)).receipt.duplicates == 1
    answer = await camera.send({**event, "data": {**event["data"], "size_bytes": 1}})
    assert (answer.status, answer.reason) == (409, "CONFLICT")
    assert (await stored(pool))["frames"] == 1


async def test_two_cameras_may_use_the_same_event_id(
    camera: Sender, pool: Pool, receiving: Client
) -> None:
    other = await enrolled(pool, receiving, "yard")
    event = camera.unchained()
    await camera.send(event)
    assert (await other.send({**event, "source": other.source})).receipt.accepted == 1


async def test_stream_belongs_to_the_camera_that_began_it(
    camera: Sender, pool: Pool, receiving: Client
) -> None:
    await camera.send(camera.frame())
    thief = await enrolled(pool, receiving, "thief")
    thief.stream, thief.seq = camera.stream, camera.seq
    answer = await thief.send(thief.frame(prev="ab" * 32), thief.unchained())
    assert [(r.index, r.reason) for r in answer.receipt.rejected] == [(0, "CONFLICT")]
    assert answer.receipt.accepted == 1
    assert answer.receipt.pinned_through == {}
    heartbeat = await camera.send(camera.heartbeat())
    assert heartbeat.receipt.pinned_through == {camera.stream: 0}


async def test_reinstalled_camera_starts_another_stream_at_1(camera: Sender, pool: Pool) -> None:
    await camera.send(camera.frame())
    renewed = Sender(camera.client, camera.signer, camera.site, camera.name)
    answer = await renewed.send(renewed.frame())
    assert answer.receipt.accepted == 1
    assert set(answer.receipt.pinned_through) == {renewed.stream}
    assert (await stored(pool))["streams"] == 2


async def test_two_identical_frames_are_two_rows_of_one_digest(camera: Sender, pool: Pool) -> None:
    answer = await camera.send(camera.frame(b"still"), camera.frame(b"still"))
    assert answer.receipt.accepted == 2
    assert await count(pool, "SELECT count(DISTINCT digest) FROM dashboard.frames") == 1
