"""The webhook: who may send, what is kept, what is answered."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from dashboard_gateway import cameras
from pinhole.contract.event import BATCH_CONTENT_TYPE, MAX_BATCH_EVENTS, digest
from pinhole.contract.signing import Ed25519Signer, HmacKey
from pinhole.runtime.postgres import Pool
from tests.dashboard_gateway.receiving.conftest import StartDashboard
from tests.dashboard_gateway.receiving.sending import Client, Sender, count, enrolled, rows
from tests.support.polling import Eventually

STORED = """
    SELECT (SELECT count(*) FROM dashboard.frames) AS frames,
        (SELECT count(*) FROM dashboard.deliveries) AS deliveries,
        (SELECT count(*) FROM dashboard.streams) AS streams,
        (SELECT count(*) FROM dashboard.absences) AS absences
"""


async def stored(pool: Pool) -> dict[str, int]:
    """Return how many rows a delivery may have left."""
    (row,) = await rows(pool, STORED)
    return row


NOTHING = {"frames": 0, "deliveries": 0, "streams": 0, "absences": 0}
FRAME_JOBS = "SELECT count(*) FROM dashboard.pgqueuer WHERE entrypoint = 'frames'"


async def test_event_is_stored_with_its_evidence_and_its_job_before_it_is_acknowledged(
    camera: Sender, pool: Pool
) -> None:
    event = camera.frame(attributes={"plate": "B-XY 123", "confidence": 0.93})
    answer = await camera.send(event)
    assert (answer.status, answer.receipt.accepted) == (202, 1)
    (frame,) = await rows(pool, "SELECT * FROM dashboard.frames")
    assert (frame["bytes_state"], frame["analysis_state"]) == ("awaited", "waiting")
    assert frame["chain_state"] == "verified"
    assert frame["event_digest"] == digest(event)
    assert frame["attributes"] == {"plate": "B-XY 123", "confidence": 0.93}
    (delivery,) = await rows(pool, "SELECT * FROM dashboard.deliveries")
    assert frame["delivery_id"] == delivery["delivery_id"]
    assert json.loads(delivery["body"]) == event
    assert delivery["headers"]["webhook-signature"].startswith("v1a,")
    (job,) = await rows(pool, "SELECT * FROM dashboard.pgqueuer WHERE entrypoint = 'frames'")
    assert job["payload"] == str(frame["frame_id"]).encode()


async def test_batch_is_one_delivery_one_job_and_a_verified_chain(
    camera: Sender, pool: Pool
) -> None:
    answer = await camera.send(*(camera.frame() for _ in range(20)))
    assert (answer.status, answer.receipt.accepted) == (202, 20)
    assert await stored(pool) == {"frames": 20, "deliveries": 1, "streams": 1, "absences": 0}
    assert await count(pool, FRAME_JOBS) == 1
    chained = "SELECT count(*) FROM dashboard.frames WHERE chain_state = 'verified'"
    assert await count(pool, chained) == 20


async def test_keyless_sender_with_a_shared_secret_may_leave_the_stream_out(
    pool: Pool, receiving: Client
) -> None:
    n8n = await enrolled(pool, receiving, "n8n", signer=HmacKey.generate())
    answer = await n8n.send(n8n.unchained())
    assert answer.status == 202
    (frame,) = await rows(pool, "SELECT * FROM dashboard.frames")
    assert (frame["chain_state"], frame["stream"], frame["seq"]) == ("unchained", None, None)


async def test_event_without_attributes_is_at_most_700_bytes(camera: Sender) -> None:
    camera.frame()
    assert len(json.dumps(camera.frame(), separators=(",", ":"))) <= 700


# Who may send.


@pytest.mark.parametrize("stranger", ["unknown camera", "another key", "tampered body"])
async def test_strangers_and_wrong_signatures_get_one_answer_and_store_nothing(
    camera: Sender, pool: Pool, stranger: str
) -> None:
    event = camera.frame()
    body = json.dumps(event).encode()
    signed = camera.signer.headers(body, "msg_1", datetime.now(UTC))
    if stranger == "unknown camera":
        body = body.replace(b"/cameras/gate", b"/cameras/nobody")
        signed = camera.signer.headers(body, "msg_1", datetime.now(UTC))
    elif stranger == "another key":
        signed = Ed25519Signer.generate().headers(body, "msg_1", datetime.now(UTC))
    else:
        body = body.replace(b'"width_px": 1920', b'"width_px": 1921')
    answer = await camera.post(body, headers=signed)
    assert (answer.status, answer.reason) == (401, "BAD_SIGNATURE")
    assert answer.body["error"]["details"] == (
        "no signature of the request was made by a key of this sender"
    )
    assert await stored(pool) == NOTHING


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
async def test_delivery_without_a_signed_header_is_refused(
    camera: Sender, pool: Pool, missing: str
) -> None:
    answer = await camera.post(json.dumps(camera.frame()).encode(), headers={missing: ""})
    assert (answer.status, answer.reason) == (401, "BAD_SIGNATURE")
    assert await stored(pool) == NOTHING


@pytest.mark.parametrize("skew", [timedelta(minutes=6), timedelta(minutes=-6)])
async def test_delivery_signed_at_another_time_is_refused_with_the_hubs_time(
    camera: Sender, pool: Pool, skew: timedelta
) -> None:
    answer = await camera.send(camera.frame(), at=datetime.now(UTC) + skew)
    assert (answer.status, answer.reason) == (401, "CLOCK_SKEW")
    hub_time = parsedate_to_datetime(answer.headers["Date"])
    assert abs(hub_time - datetime.now(UTC)) < timedelta(seconds=5)
    assert await stored(pool) == NOTHING


async def test_revoked_camera_is_told_so_and_a_forger_of_it_is_not(
    camera: Sender, pool: Pool, eventually: Eventually
) -> None:
    assert (await camera.send(camera.frame())).status == 202
    await cameras.revoke(pool, camera.site, camera.name)

    async def refused() -> bool:
        # The camera is in the roster's memory: a notice takes it out.
        return (await camera.send(camera.heartbeat())).status == 403

    await eventually(refused, 2)
    answer = await camera.send(camera.frame())
    assert (answer.status, answer.reason) == (403, "REVOKED")
    camera.signer = Ed25519Signer.generate()
    assert (await camera.send(camera.frame())).status == 401
    assert (await stored(pool))["frames"] == 1


async def test_camera_enrolled_with_another_key_signs_with_that_at_once(
    camera: Sender, pool: Pool, eventually: Eventually
) -> None:
    assert (await camera.send(camera.frame())).status == 202
    renewed = await enrolled(pool, camera.client)

    async def accepted() -> bool:
        return (await renewed.send(renewed.heartbeat())).status == 202

    await eventually(accepted, 2)
    assert (await camera.send(camera.frame())).status == 401
    assert renewed.camera_id == camera.camera_id


async def test_source_header_names_the_sender_without_reading_the_body(camera: Sender) -> None:
    named = {"Pinhole-Source": camera.source}
    assert (await camera.send(camera.frame(), headers=named)).status == 202
    # Not even JSON, and refused for its signature only where that is wrong.
    answer = await camera.post(b"{", headers=named)
    assert (answer.status, answer.reason) == (400, "BAD_JSON")
    camera.signer = Ed25519Signer.generate()
    answer = await camera.post(b"{", headers=named)
    assert (answer.status, answer.reason) == (401, "BAD_SIGNATURE")


@pytest.mark.parametrize("source", ["", "x", "/sites/a/cameras/b/../c", "/sites/A/cameras/b"])
async def test_source_header_that_names_no_camera_is_a_stranger(
    camera: Sender, source: str
) -> None:
    answer = await camera.send(camera.frame(), headers={"Pinhole-Source": source})
    assert (answer.status, answer.reason) == (401, "BAD_SIGNATURE")


# Repeats and contradictions.


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


# What is wrong with one event leaves the others alone.


def without(event: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key != name}


Spoil = Callable[[dict[str, Any]], Any]
BAD_EVENTS: dict[str, tuple[Spoil, str]] = {
    "no type": (lambda e: without(e, "type"), "MALFORMED_EVENT"),
    "unknown type": (lambda e: {**e, "type": "pinhole.frame.v9"}, "MALFORMED_EVENT"),
    "no id": (lambda e: without(e, "id"), "MALFORMED_EVENT"),
    "unknown field": (lambda e: {**e, "bytes": "aGk="}, "MALFORMED_EVENT"),
    "unknown \0 field": (lambda e: {**e, "\0\ud800": 1}, "MALFORMED_EVENT"),
    "naive time": (lambda e: {**e, "time": "2026-01-31T12:00:00"}, "MALFORMED_EVENT"),
    "time before time": (lambda e: {**e, "time": "0001-01-01T00:00:00+14:00"}, "MALFORMED_EVENT"),
    "a string": (lambda _: "event", "MALFORMED_EVENT"),
    "null": (lambda _: None, "MALFORMED_EVENT"),
    "too large a frame": (
        lambda e: {**e, "data": {**e["data"], "size_bytes": 4_000_000}},
        "MALFORMED_EVENT",
    ),
    "an empty frame": (lambda e: {**e, "data": {**e["data"], "size_bytes": 0}}, "MALFORMED_EVENT"),
    "HTML": (lambda e: {**e, "data": {**e["data"], "media_type": "text/html"}}, "MALFORMED_EVENT"),
    "seq beyond JSON": (lambda e: {**e, "data": {**e["data"], "seq": 2**60}}, "MALFORMED_EVENT"),
    "attributes over 1 KB": (
        lambda e: {**e, "data": {**e["data"], "attributes": {"text": "x" * 1100}}},
        "MALFORMED_EVENT",
    ),
    "a lone surrogate": (
        lambda e: {**e, "data": {**e["data"], "attributes": {"file": "caf\udce9.jpg"}}},
        "MALFORMED_EVENT",
    ),
    "U+0000": (
        lambda e: {**e, "data": {**e["data"], "attributes": {"file": "a\0b"}}},
        "MALFORMED_EVENT",
    ),
    "NaN": (
        lambda e: {**e, "data": {**e["data"], "attributes": {"confidence": float("nan")}}},
        "MALFORMED_EVENT",
    ),
    "another source": (lambda e: {**e, "source": "/sites/city/cameras/x"}, "SOURCE_MISMATCH"),
    "no CID": (lambda e: {**e, "subject": "gate.jpg"}, "CID_MALFORMED"),
    "a tree": (
        lambda e: {**e, "subject": "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"},
        "CID_CODEC",
    ),
    "another hash": (
        lambda e: {
            **e,
            "subject": "bafk2bzaceaqvk6ixkidv7hsm4gnrnhpyvvpvptwm7tgbm7fcp3lbs2nutv3aq",
        },
        "CID_HASH",
    ),
    "identity": (lambda e: {**e, "subject": "bafkqabtimvwgy3yk"}, "CID_HASH"),
}


@pytest.mark.parametrize("kind", BAD_EVENTS)
async def test_bad_event_is_rejected_by_name_and_the_good_of_its_batch_are_kept(
    camera: Sender, pool: Pool, kind: str
) -> None:
    spoil, reason = BAD_EVENTS[kind]
    bad = spoil(camera.unchained())
    answer = await camera.send(camera.frame(), bad, camera.frame())
    assert (answer.status, answer.receipt.accepted) == (202, 2), answer.body
    assert [(r.index, r.reason) for r in answer.receipt.rejected] == [(1, reason)]
    assert answer.receipt.rejected[0].details
    assert (await stored(pool))["frames"] == 2


async def test_lone_bad_event_is_answered_422_with_a_receipt_and_stores_nothing(
    camera: Sender, pool: Pool
) -> None:
    answer = await camera.send({**camera.unchained(), "subject": "gate.jpg"})
    assert (answer.status, answer.receipt.accepted) == (422, 0)
    assert answer.receipt.rejected[0].reason == "CID_MALFORMED"
    assert await stored(pool) == NOTHING


async def test_place_of_a_rejected_event_is_settled_with_its_evidence(
    camera: Sender, pool: Pool
) -> None:
    good, bad, next_one = camera.frame(), camera.frame(), camera.frame()
    spoiled = {**bad, "data": {**bad["data"], "media_type": "text/html"}}
    answer = await camera.send(good, spoiled, next_one)
    assert answer.receipt.accepted == 2
    (absence,) = await rows(pool, "SELECT * FROM dashboard.absences")
    assert (absence["first_seq"], absence["kind"]) == (2, "rejected")
    assert absence["reason"] == "MALFORMED_EVENT"
    assert absence["delivery_id"] is not None
    await pool.execute("UPDATE dashboard.frames SET bytes_state = 'pinned'")
    answer = await camera.send(camera.heartbeat())
    assert answer.receipt.pinned_through == {camera.stream: 3}
    # Sent again, it is rejected again, and there is still one absence.
    await camera.send(spoiled)
    assert (await stored(pool))["absences"] == 1


async def test_empty_batch_is_a_question_about_nothing(camera: Sender) -> None:
    answer = await camera.post(b"[]", BATCH_CONTENT_TYPE, headers={"Pinhole-Source": camera.source})
    assert (answer.status, answer.receipt.accepted) == (202, 0)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", None),
        (b"\xff\xfe{}", None),
        (b'{"a": ', None),
        (b"[" * 100_000, None),
        (b"1" * 10_000, None),
        (b"[]", None),
        (b"{}", BATCH_CONTENT_TYPE),
    ],
    ids=["empty", "not UTF-8", "cut", "nested", "huge number", "list alone", "object as batch"],
)
async def test_body_that_is_no_event_text_is_refused(
    camera: Sender, pool: Pool, body: bytes, content_type: str | None
) -> None:
    named = {"Pinhole-Source": camera.source}
    answer = await camera.post(body, content_type or "application/cloudevents+json", headers=named)
    assert (answer.status, answer.reason) == (400, "BAD_JSON")
    assert await stored(pool) == NOTHING


async def test_other_media_type_is_refused(camera: Sender) -> None:
    answer = await camera.send(camera.frame(), content_type="image/jpeg")
    assert (answer.status, answer.reason) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_more_events_than_a_batch_holds_are_refused_whole(camera: Sender, pool: Pool) -> None:
    answer = await camera.send(*(camera.unchained() for _ in range(MAX_BATCH_EVENTS + 1)))
    assert (answer.status, answer.reason) == (413, "TOO_LARGE")
    assert await stored(pool) == NOTHING


@pytest.mark.parametrize("announced", [True, False])
async def test_body_over_the_limit_is_refused_before_it_is_parsed(
    start_dashboard: StartDashboard, pool: Pool, announced: bool
) -> None:
    client = await start_dashboard(max_delivery_bytes=4096)
    camera = await enrolled(pool, client)
    body = b" " * 5000

    async def chunks() -> AsyncIterator[bytes]:
        yield body

    signed = camera.signer.headers(body, "msg_1", datetime.now(UTC))
    async with client.post(
        "/api/v1/events",
        data=body if announced else chunks(),
        headers={**signed, "Content-Type": "application/cloudevents+json"},
    ) as response:
        assert response.status == 413
        assert (await response.json())["error"]["reason"] == "TOO_LARGE"


# Time.


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


# Heartbeats and losses.


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


# Load and outages.


async def test_full_queue_is_answered_429_with_retry_after(
    start_dashboard: StartDashboard, pool: Pool
) -> None:
    client = await start_dashboard(commit_queue_events=1)
    camera = await enrolled(pool, client, signer=HmacKey.generate())
    # A lock that the commit waits for: what comes meanwhile finds the queue full.
    async with pool.acquire() as other, other.transaction():
        await other.execute("LOCK TABLE dashboard.frames IN ACCESS EXCLUSIVE MODE")
        under_way = [asyncio.create_task(camera.send(camera.unchained())) for _ in range(8)]
        done, _ = await asyncio.wait(under_way, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        answer = done.pop().result()
        assert (answer.status, answer.reason) == (429, "BUSY")
        assert int(answer.headers["Retry-After"]) >= 1
    answers = await asyncio.gather(*under_way)
    accepted = sum(1 for answer in answers if answer.status == 202)
    assert accepted >= 1
    assert await count(pool, "SELECT count(*) FROM dashboard.frames") == accepted
