"""The hub as the camera sees it: every answer, every way it can fail."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from camera_uploader import events
from camera_uploader.clock import HubClock
from camera_uploader.hub import DeliveryRefused, Hub, HubUnavailable, NotWelcome
from camera_uploader.identity import Identity
from pinhole.contract.cid import Cid
from pinhole.contract.event import BATCH_CONTENT_TYPE, SINGLE_CONTENT_TYPE, StatusData
from pinhole.contract.ids import uuid7
from pinhole.contract.signing import Ed25519Signer, verify
from tests.camera_uploader.recording_hub import RecordingHub, Scripted, serving


@pytest.fixture
def hub(hub_url: str, identity: Identity, clock: HubClock) -> Iterator[Hub]:
    with closing(Hub(hub_url, identity, clock, timeout_s=2)) as hub:
        yield hub


def _body(identity: Identity) -> bytes:
    data = StatusData(stream=uuid7(), last_seq=0, spool_depth=0)
    return events.status(identity.source, data)


def test_one_event_is_sent_as_itself_and_several_as_a_batch(
    hub: Hub, recording_hub: RecordingHub, identity: Identity
) -> None:
    one, two = _body(identity), _body(identity)

    assert hub.deliver([one]).accepted == 1
    assert hub.deliver([one, two]).accepted == 2

    single, batch = recording_hub.deliveries
    assert (single.headers["content-type"], single.body) == (SINGLE_CONTENT_TYPE, one)
    assert batch.headers["content-type"] == BATCH_CONTENT_TYPE
    assert json.loads(batch.body) == [json.loads(one), json.loads(two)]


def test_every_request_is_signed_with_the_cameras_key_and_says_whose_it_is(
    hub: Hub, recording_hub: RecordingHub, identity: Identity
) -> None:
    hub.deliver([_body(identity)])

    (delivery,) = recording_hub.deliveries
    verify(delivery.headers, delivery.body, [identity.signer.public], datetime.now(UTC))
    assert delivery.headers["webhook-signature"].startswith("v1a,")
    assert delivery.headers["pinhole-source"] == identity.source


def test_the_same_body_sent_again_is_the_same_message(
    hub: Hub, recording_hub: RecordingHub, identity: Identity
) -> None:
    body, other = _body(identity), _body(identity)
    for sent in (body, body, other):
        hub.deliver([sent])

    first, again, another = (d.headers["webhook-id"] for d in recording_hub.deliveries)
    assert first == again
    assert first != another


def test_a_connection_that_the_hub_closed_meanwhile_is_opened_again(
    identity: Identity, clock: HubClock, unused_port: int
) -> None:
    first, second = (RecordingHub(public_key=identity.signer.public) for _ in range(2))
    with closing(Hub(f"http://127.0.0.1:{unused_port}", identity, clock)) as hub:
        with serving(first, unused_port):
            hub.deliver([_body(identity)])
            first.is_up = False
        with serving(second, unused_port):
            assert hub.deliver([_body(identity)]).accepted == 1


def test_a_block_is_pushed_and_the_answer_compared(hub: Hub, recording_hub: RecordingHub) -> None:
    cid = Cid.of(b"the bytes")

    stored = hub.push(cid, b"the bytes")

    assert stored.cid == cid
    assert recording_hub.blocks == {cid: b"the bytes"}
    with pytest.raises(HubUnavailable, match="the bytes sent are"):
        hub.push(Cid.of(b"others"), b"the bytes")


def test_a_hub_that_is_not_there_is_unavailable(
    identity: Identity, clock: HubClock, unused_port: int
) -> None:
    with (
        closing(Hub(f"http://127.0.0.1:{unused_port}", identity, clock)) as hub,
        pytest.raises(HubUnavailable, match="ConnectionRefusedError"),
    ):
        hub.deliver([_body(identity)])


def test_a_hub_that_hangs_is_given_up_in_time(
    identity: Identity, clock: HubClock, unused_port: int
) -> None:
    with (
        socket.create_server(("127.0.0.1", unused_port)),
        closing(Hub(f"http://127.0.0.1:{unused_port}", identity, clock, timeout_s=0.2)) as hub,
        pytest.raises(HubUnavailable, match="TimeoutError"),
    ):
        hub.deliver([_body(identity)])


@pytest.mark.parametrize(
    "garbage",
    [
        *(b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 999\r\n\r\n", b"\x00" * 70_000),
        *(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\n{}", b""),
    ],
    ids=["ssh", "odd-status", "zeros", "cut-off", "nothing"],
)
def test_garbage_instead_of_http_is_unavailable(
    identity: Identity, clock: HubClock, garbage: bytes
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(garbage)

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with (
            closing(Hub(url, identity, clock, timeout_s=2)) as hub,
            pytest.raises(HubUnavailable),
        ):
            hub.deliver([_body(identity)])
        thread.join()


@pytest.mark.parametrize(
    ("scripted", "wait_s"),
    [
        (Scripted.error(503, "UNAVAILABLE", Retry_After="7"), 7),
        (Scripted.error(429, "BUSY", Retry_After="2"), 2),
        (Scripted.error(500, "INTERNAL"), 0),
        (Scripted(502, b"<html>bad gateway</html>"), 0),
        (Scripted(302, b"", {"Location": "http://elsewhere/"}), 0),
        (Scripted.error(404, "NOT_FOUND"), 0),
        (Scripted.error(503, "UNAVAILABLE", Retry_After="999999999"), 3600),
        (Scripted.error(503, "UNAVAILABLE", Retry_After="-5"), 0),
        (Scripted.error(503, "UNAVAILABLE", Retry_After="soon"), 0),
        (Scripted.error(503, "UNAVAILABLE", Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"), 0),
    ],
)
def test_what_may_pass_is_told_with_the_time_that_the_hub_asks_for(
    hub: Hub, recording_hub: RecordingHub, identity: Identity, scripted: Scripted, wait_s: float
) -> None:
    recording_hub.scripted.append(scripted)

    with pytest.raises(HubUnavailable) as unavailable:
        hub.deliver([_body(identity)])

    assert unavailable.value.retry_after_s == wait_s


@pytest.mark.parametrize(
    "scripted",
    [
        Scripted(200, b"<html>Welcome to FreeWifi</html>"),
        Scripted(202, b"[]"),
        Scripted(202, b'{"accepted": 1'),
        Scripted(202, b"\xff\xfe"),
        Scripted(400, b"<html>Your proxy does not like you</html>"),
        Scripted(422, b'{"error": "text"}'),
    ],
)
def test_an_answer_that_is_not_the_hubs_neither_acknowledges_nor_refuses(
    hub: Hub, recording_hub: RecordingHub, identity: Identity, scripted: Scripted
) -> None:
    recording_hub.scripted.append(scripted)

    with pytest.raises(HubUnavailable):
        hub.deliver([_body(identity)])


@pytest.mark.parametrize(("status", "reason"), [(401, "BAD_SIGNATURE"), (403, "REVOKED")])
def test_a_camera_that_is_not_welcome_keeps_its_events(
    hub: Hub, recording_hub: RecordingHub, identity: Identity, status: int, reason: str
) -> None:
    recording_hub.scripted.append(Scripted.error(status, reason))

    with pytest.raises(NotWelcome, match=reason):
        hub.deliver([_body(identity)])


def test_a_stranger_is_refused_by_its_signature(hub_url: str, clock: HubClock) -> None:
    stranger = Identity("/sites/home/cameras/door", Ed25519Signer.generate())

    with (
        closing(Hub(hub_url, stranger, clock)) as hub,
        pytest.raises(NotWelcome, match="BAD_SIGNATURE"),
    ):
        hub.deliver([_body(stranger)])


@pytest.mark.parametrize(
    ("status", "reason"), [(400, "BAD_JSON"), (409, "CONFLICT"), (413, "TOO_LARGE")]
)
def test_a_refusal_in_the_contracts_words_is_final(
    hub: Hub, recording_hub: RecordingHub, identity: Identity, status: int, reason: str
) -> None:
    recording_hub.scripted.append(Scripted.error(status, reason))

    with pytest.raises(DeliveryRefused) as refused:
        hub.deliver([_body(identity)])

    assert refused.value.reason == reason


@pytest.mark.parametrize("days", [-365, 365])
def test_a_clock_one_year_off_is_corrected_in_the_header_only(
    hub: Hub, recording_hub: RecordingHub, identity: Identity, clock: HubClock, days: int
) -> None:
    recording_hub.clock = timedelta(days=days)
    body = _body(identity)

    assert hub.deliver([body]).accepted == 1

    assert recording_hub.refusals == ["CLOCK_SKEW"]
    assert recording_hub.deliveries[0].body == body
    assert clock.offset_ms == pytest.approx(days * 86_400_000, abs=2000)
    hub.deliver([_body(identity)])
    assert recording_hub.refusals == ["CLOCK_SKEW"]


def test_the_hubs_clock_is_learnt_from_every_receipt(
    hub: Hub, recording_hub: RecordingHub, identity: Identity, clock: HubClock
) -> None:
    recording_hub.clock = timedelta(seconds=-90)

    hub.deliver([_body(identity)])

    # Half of the time that the request took, at most.
    assert clock.offset_ms == pytest.approx(-90_000, abs=1000)


def test_the_receipt_of_a_later_hub_is_understood(
    hub: Hub, recording_hub: RecordingHub, identity: Identity
) -> None:
    receipt = {
        "accepted": 1,
        "hub_time": datetime.now(UTC).isoformat(),
        "moon_phase": "full",
        "rejected": [{"index": 0, "reason": "X", "details": "x", "advice": "rest"}],
        "wanted": [{"cid": str(Cid.of(b"x")), "urgency": 3}],
    }
    recording_hub.scripted.append(Scripted(202, json.dumps(receipt).encode()))

    understood = hub.deliver([_body(identity)])

    assert understood.rejected[0].reason == "X"
    assert understood.wanted[0].cid == Cid.of(b"x")


def test_an_answer_without_end_is_cut_off(
    hub: Hub, recording_hub: RecordingHub, identity: Identity
) -> None:
    recording_hub.scripted.append(Scripted(202, b" " * 5_000_000))

    with pytest.raises(HubUnavailable, match="more than 4000000 bytes"):
        hub.deliver([_body(identity)])
    assert hub.deliver([_body(identity)]).accepted == 1
