"""A frame's journey on real Kubo, pinning and detector, to every end that it may have."""

from dashboard_gateway.memo import DEFAULT_OPTIONS_DIGEST, options_digest
from pinhole.contract.cid import Cid
from pinhole.contract.detection import InferenceOptions
from tests.dashboard_gateway.receiving.broken import lying_gateway, silent_service
from tests.dashboard_gateway.receiving.centre import Centre, frame
from tests.dashboard_gateway.receiving.sending import count, rows
from tests.support.polling import Eventually

BATCH = "POST /api/v1/inference/batch"


async def test_frame_is_pinned_analysed_and_recorded_once(
    centre: Centre, photo: bytes, eventually: Eventually
) -> None:
    camera = await centre.enrol()
    cid = await centre.capture(photo)
    await camera.send(camera.frame(photo))
    await eventually(lambda: centre.stand([("pinned", "detected")]), 30)
    assert await centre.hub.is_pinned(cid)
    (row,) = await centre.frames()
    assert (row["width_px"], row["height_px"]) == (810, 1080)
    assert row["model_name"] == "pinhole-demo"
    assert row["pinned_at"] <= row["analysed_at"]
    boxes = await rows(centre.pool, "SELECT * FROM dashboard.detections ORDER BY ordinal")
    assert [box["ordinal"] for box in boxes] == list(range(len(boxes)))
    assert set(row["classes"]) == {box["class_name"] for box in boxes}
    assert row["max_confidence"] == max((box["confidence"] for box in boxes), default=None)
    answer = await camera.send(camera.heartbeat())
    assert answer.receipt.pinned_through == {camera.stream: 1}
    await eventually(centre.has_no_jobs)


async def test_what_is_no_picture_ends_invalid_and_holds_up_nobody(
    centre: Centre, photo: bytes, eventually: Eventually
) -> None:
    camera = await centre.enrol()
    pictures = [b"<html><script>alert(1)</script></html>", photo[:20_000], frame(), photo]
    for picture in pictures:
        await centre.capture(picture)
    await camera.send(*(camera.frame(picture) for picture in pictures))
    # A truncated JPEG shows its upper part: whether that counts is the detector's to say.
    await eventually(centre.is_analysed, 30)
    html, truncated, noise, good = await centre.frames()
    for row in (html, noise):
        assert (row["bytes_state"], row["analysis_state"]) == ("pinned", "invalid")
        assert row["reason"] == "NOT_AN_IMAGE"
        assert row["details"]
    assert truncated["analysis_state"] in ("invalid", "detected")
    assert good["analysis_state"] == "detected"


async def test_same_bytes_are_analysed_once_for_however_many_frames(
    centre: Centre, photo: bytes, eventually: Eventually
) -> None:
    camera = await centre.enrol()
    still = photo + b"still"
    await centre.capture(still)
    await camera.send(camera.frame(still))
    await eventually(lambda: centre.stand([("pinned", "detected")]), 30)
    asked = centre.detector.requests.count(BATCH)
    await camera.send(camera.frame(still), camera.frame(still))
    await eventually(lambda: centre.stand([("pinned", "detected")] * 3), 30)
    assert centre.detector.requests.count(BATCH) == asked
    assert await count(centre.pool, "SELECT count(*) FROM dashboard.inferences") == 1
    by_frame = await rows(
        centre.pool,
        "SELECT frame_id, array_agg(class_name ORDER BY ordinal) AS seen "
        "FROM dashboard.detections GROUP BY frame_id",
    )
    assert len({tuple(row["seen"]) for row in by_frame}) <= 1


def test_parameters_that_change_detections_are_the_memos_key_and_others_are_not() -> None:
    assert options_digest(InferenceOptions(annotated=True)) == DEFAULT_OPTIONS_DIGEST
    assert options_digest(InferenceOptions(model="other")) == DEFAULT_OPTIONS_DIGEST
    assert options_digest(InferenceOptions(confidence=0.5)) != DEFAULT_OPTIONS_DIGEST
    assert options_digest(InferenceOptions(classes=[1])) != DEFAULT_OPTIONS_DIGEST


async def test_bytes_that_never_came_are_wanted_and_a_push_brings_the_frame_on_its_way(
    centre: Centre, photo: bytes, eventually: Eventually
) -> None:
    camera = await centre.enrol()
    picture = photo + b"only the camera has this"
    event = camera.frame(picture)
    await camera.send(event)
    await eventually(lambda: centre.stand([("missing", "waiting")]), 30)
    (row,) = await centre.frames()
    assert row["reason"] == "NOT_AT_ORIGIN"
    answer = await camera.send(camera.heartbeat())
    assert [(entry.seq, entry.cid) for entry in answer.receipt.wanted] == [(1, Cid.of(picture))]
    assert answer.receipt.pinned_through == {camera.stream: 1}
    pushed = await camera.push(picture)
    assert (pushed.status, pushed.body["duplicate"]) == (200, False)
    await eventually(lambda: centre.stand([("pinned", "detected")]), 30)
    answer = await camera.send(camera.heartbeat())
    assert answer.receipt.wanted == []


async def test_bytes_that_are_not_what_was_promised_end_invalid(
    centre: Centre, eventually: Eventually
) -> None:
    async with lying_gateway(b"something else") as url:
        camera = await centre.enrol("liar", gateway_url=url)
        await camera.send(camera.frame(frame()))
        await eventually(lambda: centre.stand([("invalid", "invalid")]), 30)
    (row,) = await centre.frames()
    assert row["reason"] == "HASH_MISMATCH"
    answer = await camera.send(camera.heartbeat())
    # Settled: the camera need not keep it for us.
    assert answer.receipt.pinned_through == {camera.stream: 1}
    assert answer.receipt.wanted == []


async def test_cid_of_another_camera_opens_nothing(
    centre: Centre, photo: bytes, eventually: Eventually
) -> None:
    owner = await centre.enrol("owner")
    picture = photo + b"the owner's"
    await centre.capture(picture)
    await owner.send(owner.frame(picture))
    await eventually(lambda: centre.stand([("pinned", "detected")]), 30)
    async with lying_gateway(b"") as url:
        thief = await centre.enrol("thief", gateway_url=url)
        await thief.send(thief.frame(picture))
        await eventually(centre.is_settled, 30)
    bytes_state = (await centre.states())[1][0]
    assert bytes_state in ("missing", "invalid"), "the hub's own copy was bound to a stranger"


async def test_camera_that_does_not_answer_holds_up_no_other(
    centre: Centre, photo: bytes, eventually: Eventually
) -> None:
    async with silent_service() as url:
        silent = await centre.enrol("silent", gateway_url=url)
        await silent.send(*(silent.frame() for _ in range(200)))
        camera = await centre.enrol("gate")
        await centre.capture(photo)
        await camera.send(camera.frame(photo))

        async def others_are_done() -> bool:
            return (await centre.states())[-1] == ("pinned", "detected")

        await eventually(others_are_done, 30)
        assert ("pinned", "waiting") not in await centre.states()


async def test_what_was_seen_is_told_to_pinning_for_its_policies(
    centre: Centre, photo: bytes, eventually: Eventually
) -> None:
    camera = await centre.enrol()
    picture = photo + b"told"
    await centre.capture(picture)
    await camera.send(camera.frame(picture))
    await eventually(lambda: centre.stand([("pinned", "detected")]), 30)
    query = """
        SELECT p.classes = f.classes AND p.max_confidence IS NOT DISTINCT FROM f.max_confidence
               AND p.meta ? 'classes'
        FROM dashboard.frames AS f JOIN pinning.pins AS p ON p.batch_key = f.event_id::text
    """

    async def is_told() -> bool:
        return bool(await centre.pool.fetchval(query)) and not await count(
            centre.pool, "SELECT count(*) FROM dashboard.untold"
        )

    await eventually(is_told, 30)
