"""What is wrong with one event, or with a whole body, and what is kept all the same."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from pinhole.contract.event import BATCH_CONTENT_TYPE, MAX_BATCH_EVENTS
from pinhole.runtime.postgres import Pool
from tests.dashboard_gateway.receiving.conftest import StartDashboard
from tests.dashboard_gateway.receiving.sending import Sender, enrolled, rows
from tests.dashboard_gateway.receiving.stored import NOTHING, stored


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
