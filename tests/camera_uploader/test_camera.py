"""The whole camera: a real node, a real spool, a hub over HTTP."""

import urllib.request
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from camera_uploader.health import HealthUnavailable
from camera_uploader.node import Node
from camera_uploader.spool.database import SpoolUnusable, read_only
from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid
from pinhole.stack.kubo_node import KuboNode
from pinhole.stack.kubo_profile import Role
from tests.camera_uploader.edge import Edge, status_of
from tests.camera_uploader.pictures import jpeg
from tests.support.kubo import StartNode
from tests.support.polling import WaitUntil


def test_a_photograph_is_stored_untouched_and_sent_as_a_reference(edge: Edge, photo: bytes) -> None:
    edge.put("bus.jpg", photo)
    edge.run()

    (event,) = edge.arrived(1)

    cid = Cid.of(photo)
    assert event["subject"] == str(cid)
    assert event["data"]["size_bytes"] == len(photo)
    assert (event["data"]["width_px"], event["data"]["height_px"]) == (810, 1080)
    assert edge.node.block(cid) == photo
    assert cid in set(edge.node.pinned())


def test_an_event_without_attributes_is_at_most_700_bytes(edge: Edge, photo: bytes) -> None:
    edge.put("bus.jpg", photo)
    edge.run()
    edge.arrived(1)

    sizes = [len(d.body) for d in edge.hub.deliveries if b"frame.captured" in d.body]

    assert max(sizes) <= 700


def test_no_message_row_or_log_holds_image_bytes_or_a_files_name(
    edge: Edge, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    data = jpeg(5, 320, 240)
    edge.put("number-plate-B-XY-123.jpg", data)
    edge.run()
    edge.arrived(1)

    said = b"".join(delivery.body for delivery in edge.hub.deliveries) + caplog.text.encode()
    with read_only(edge.settings["spool_dir"]) as spool:
        said += b"".join(body for (body,) in spool.execute("SELECT body FROM event"))
    for piece in (data[100:116], b"B-XY-123"):
        assert piece not in said


def test_identical_frames_are_two_events_and_one_block(edge: Edge, wait_until: WaitUntil) -> None:
    camera = edge.run(health_port=0)
    edge.put("a.jpg", jpeg(1))
    edge.arrived(1)
    edge.put("b.jpg", jpeg(1))

    first, second = edge.arrived(2)

    assert first["subject"] == second["subject"]
    assert (first["id"], first["data"]["seq"]) != (second["id"], second["data"]["seq"])
    assert list(edge.node.pinned()).count(Cid.of(jpeg(1))) == 1
    spool = status_of(camera)["spool"]
    assert isinstance(spool, dict)
    assert spool["duplicates"] == 1
    wait_until(lambda: edge.hub.statuses and edge.hub.statuses[-1].data.duplicates == 1)


def test_a_heartbeat_says_how_the_camera_is(edge: Edge, wait_until: WaitUntil) -> None:
    edge.run()
    edge.put("a.jpg", jpeg(1))
    edge.arrived(1)

    def complete() -> bool:
        data = edge.hub.statuses[-1].data if edge.hub.statuses else None
        return data is not None and data.last_seq == 1 and data.peer_id is not None

    wait_until(complete)
    data = edge.hub.statuses[-1].data
    assert data.spool_depth == 0
    assert data.disk_free_bytes is not None
    assert data.last_capture_at is not None
    assert data.versions["node"].startswith("kubo/")
    assert {"capture", "store", "send", "push", "links", "heartbeat"} <= set(data.states)


@pytest.mark.parametrize("days", [-365, 365])
def test_a_camera_whose_clock_is_a_year_off_is_heard_and_its_events_say_by_how_much(
    edge: Edge, wait_until: WaitUntil, days: int
) -> None:
    edge.hub.clock = timedelta(days=days)
    edge.run()
    wait_until(lambda: edge.hub.statuses)  # the clock is learnt
    edge.put("a.jpg", jpeg(1))

    (event,) = edge.arrived(1)

    assert event["data"]["clock_offset_ms"] == pytest.approx(days * 86_400_000, abs=2000)
    captured_at = datetime.fromisoformat(event["time"])
    assert abs(captured_at - datetime.now(UTC)) < timedelta(minutes=1)  # by its own clock


def test_a_reinstalled_camera_starts_a_new_stream_with_the_same_key(edge: Edge) -> None:
    first = edge.run()
    edge.put("a.jpg", jpeg(1))
    edge.arrived(1)
    first.stop()

    edge.run(spool_dir=edge.settings["spool_dir"].with_name("new"))
    edge.put("b.jpg", jpeg(2))
    edge.arrived(3)  # the new spool has not seen a.jpg: it is taken again, as the same block

    streams = edge.hub.streams()
    assert sorted(sorted(stream) for stream in streams.values()) == [[1], [1, 2]]
    assert edge.hub.chain_problems() == []


def test_pictures_that_cannot_be_taken_are_refused_visibly_and_kept(
    edge: Edge, wait_until: WaitUntil
) -> None:
    bad = {
        "empty.jpg": b"",
        "page.jpg": b"<html><script>alert(1)</script></html>",
        "drawing.png": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "cut.jpg": jpeg(1)[:-100],
        "huge.jpg": jpeg(2) + b"\x00" * MAX_BLOCK_BYTES,
    }
    camera = edge.run(health_port=0)
    for name, data in bad.items():
        edge.put(name, data)
    edge.put("good.jpg", jpeg(3))

    edge.arrived(1)
    wait_until(lambda: len(status_of(camera)["refused"]) == 5)

    refused = {entry["item"]: entry["reason"] for entry in status_of(camera)["refused"]}
    assert refused == {
        "empty.jpg": "EMPTY",
        "page.jpg": "NOT_AN_IMAGE",
        "drawing.png": "NOT_AN_IMAGE",
        "cut.jpg": "INCOMPLETE",
        "huge.jpg": "TOO_LARGE",
    }
    assert edge.hub.cids() == [Cid.of(jpeg(3))]
    for name, data in bad.items():
        assert (edge.watched / name).read_bytes() == data
    wait_until(lambda: edge.hub.statuses[-1].data.refused == 5)


def test_a_stopped_camera_finishes_what_it_has_and_takes_nothing_twice(edge: Edge) -> None:
    for number in range(20):
        edge.put(f"{number}.jpg", jpeg(number))
    for stopped_at in (1, 4, 9):
        camera = edge.run()
        edge.arrived(stopped_at)
        camera.stop()
    edge.run()

    edge.arrived(20)

    assert edge.hub.chain_problems() == []
    assert sorted(map(str, edge.hub.cids())) == sorted(str(Cid.of(jpeg(n))) for n in range(20))


def test_the_node_is_connected_to_the_hubs_without_waiting_for_kubos_own_back_off(
    edge: Edge, hub_kubo: KuboNode, start_kubo: StartNode, wait_until: WaitUntil
) -> None:
    alone = start_kubo(Role.CAMERA)
    with closing(Node(alone.rpc_url)) as node:

        def peers() -> list[str]:
            (answer,) = node._http.request("/swarm/peers", decoder="json")
            return [peer["Peer"] for peer in answer["Peers"] or []]

        assert peers() == []
        edge.run(
            kubo_rpc_url=alone.rpc_url, hub_addresses=",".join(hub_kubo.addresses), links_s=0.1
        )
        wait_until(lambda: hub_kubo.peer_id in peers())


def test_a_spool_in_use_a_taken_port_and_a_bad_key_are_said_in_one_sentence(
    edge: Edge, unused_port: int
) -> None:
    edge.run(health_port=unused_port)

    with pytest.raises(SpoolUnusable, match="in use"):
        edge.run()
    with pytest.raises(HealthUnavailable, match=str(unused_port)):
        edge.run(health_port=unused_port, spool_dir=edge.settings["spool_dir"].with_name("other"))


def test_metrics_are_exposed_on_loopback(edge: Edge) -> None:
    camera = edge.run(health_port=0)
    edge.put("a.jpg", jpeg(1))
    edge.arrived(1)

    url = f"http://127.0.0.1:{camera.health_port}/metrics"
    with urllib.request.urlopen(url) as answer:
        text = answer.read().decode()

    for step in ("encode", "put", "pin", "spool", "send"):
        assert f'pinhole_camera_step_seconds_count{{step="{step}"}}' in text
    assert "pinhole_camera_frames_total" in text
