"""The whole camera: a real node, a real spool, a hub over HTTP."""

import os
import threading
import urllib.request
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from camera_uploader.app import Camera
from camera_uploader.health import HealthUnavailable
from camera_uploader.node import Node
from camera_uploader.spool.database import SpoolUnavailable, SpoolUnusable, read_only
from camera_uploader.spool.events import Events, Spooled
from camera_uploader.spool.items import Items
from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid
from pinhole.contract.receipt import Wanted
from pinhole.stack.kubo_node import KuboNode
from pinhole.stack.kubo_profile import Role
from pinhole.stack.program import running
from tests.camera_uploader.edge import Edge, get_json
from tests.camera_uploader.pictures import jpeg
from tests.camera_uploader.recording_hub import Scripted
from tests.support.kubo import StartNode, Swarm
from tests.support.polling import WaitUntil


def _status(camera: Camera) -> dict[str, object]:
    code, status = get_json(f"http://127.0.0.1:{camera.health_port}/status")
    assert code == 200
    assert isinstance(status, dict)
    return status


def _put_on_node(edge: Edge, data: bytes) -> None:
    edge.node.pin(edge.node.put(data))


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
    spool = _status(camera)["spool"]
    assert isinstance(spool, dict)
    assert spool["duplicates"] == 1
    wait_until(lambda: edge.hub.statuses and edge.hub.statuses[-1].data.duplicates == 1)


def test_an_outage_of_the_hub_loses_nothing_and_is_caught_up_in_batches(
    edge: Edge, wait_until: WaitUntil
) -> None:
    camera = edge.run(health_port=0)
    edge.put("before.jpg", jpeg(1000))
    edge.arrived(1)
    edge.hub.is_up = False
    for number in range(60):
        edge.put(f"{number}.jpg", jpeg(number))
    wait_until(lambda: _status(camera)["spool"]["unsent"] == 60)  # type: ignore[index]
    code, health = get_json(f"http://127.0.0.1:{camera.health_port}/healthz")
    assert (code, health["status"]) == (200, "ok")
    assert "hub" in health["parts"]["send"]

    edge.hub.is_up = True
    edge.arrived(61)

    assert edge.hub.chain_problems() == []
    assert set(edge.hub.cids()) == {Cid.of(jpeg(n)) for n in (*range(60), 1000)}
    assert max(delivery.events for delivery in edge.hub.deliveries) > 1


def test_an_outage_of_the_node_holds_pictures_back_and_turns_health_red(
    edge: Edge, swarm: Swarm, wait_until: WaitUntil
) -> None:
    kubo = swarm.node(Role.CAMERA)
    kubo.prepare(swarm.key)
    camera = edge.run(kubo_rpc_url=kubo.rpc_url, health_port=0)
    for number in range(5):
        edge.put(f"{number}.jpg", jpeg(number))
    url = f"http://127.0.0.1:{camera.health_port}/healthz"
    wait_until(lambda: get_json(url)[0] == 503)
    assert edge.hub.frames == {}

    with running(kubo.program()):
        edge.arrived(5, timeout_s=30)
        wait_until(lambda: get_json(url)[0] == 200, timeout_s=30)
        assert edge.hub.chain_problems() == []


def test_bytes_that_the_hub_could_not_fetch_are_pushed(edge: Edge, wait_until: WaitUntil) -> None:
    edge.run()
    edge.put("a.jpg", jpeg(1))
    (event,) = edge.arrived(1)
    cid = Cid.of(jpeg(1))

    edge.hub.wanted = [Wanted(stream=event["data"]["stream"], seq=1, cid=cid)]

    wait_until(lambda: edge.hub.blocks)
    assert edge.hub.blocks == {cid: jpeg(1)}
    wait_until(lambda: edge.hub.wanted == [])


def test_wishes_for_blocks_that_no_event_of_this_camera_names_are_not_granted(
    edge: Edge, wait_until: WaitUntil
) -> None:
    _put_on_node(edge, b"of another camera on this node")
    edge.run()
    edge.put("a.jpg", jpeg(1))
    (event,) = edge.arrived(1)
    stream = event["data"]["stream"]

    edge.hub.wanted = [
        Wanted(stream=stream, seq=1, cid=Cid.of(b"of another camera on this node")),
        Wanted(cid=Cid.of(b"of another camera on this node")),
    ]
    heard = len(edge.hub.statuses)
    wait_until(lambda: len(edge.hub.statuses) >= heard + 3)

    assert edge.hub.blocks == {}


def test_bytes_that_are_gone_are_declared_lost(edge: Edge, wait_until: WaitUntil) -> None:
    edge.run()
    edge.put("a.jpg", jpeg(77))
    (event,) = edge.arrived(1)
    cid = Cid.of(jpeg(77))
    edge.node._client.pin.rm(str(cid), recursive=False)
    edge.node._http.request("/block/rm", (str(cid),), opts={"force": "true"}, decoder="json")

    edge.hub.wanted = [Wanted(stream=event["data"]["stream"], seq=1, cid=cid)]

    wait_until(lambda: edge.hub.lost)
    lost = edge.hub.lost[0].data
    assert (str(lost.stream), lost.first_seq, lost.last_seq) == (event["data"]["stream"], 1, 1)
    assert "does not hold" in lost.reason


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


def test_heartbeats_end_a_pause_of_the_sender(edge: Edge) -> None:
    edge.hub.scripted += [Scripted.error(500, "INTERNAL")] * 2
    edge.run(retry_max_s=600.0, heartbeat_s=0.1)
    edge.put("a.jpg", jpeg(1))

    edge.arrived(1, timeout_s=10)


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
    wait_until(lambda: len(_status(camera)["refused"]) == 5)  # type: ignore[arg-type]

    refused = {entry["item"]: entry["reason"] for entry in _status(camera)["refused"]}  # type: ignore[attr-defined]
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


def test_a_part_that_fails_is_restarted_and_seen(edge: Edge, wait_until: WaitUntil) -> None:
    camera = edge.run(source=f"dir:{edge.watched}/later")
    wait_until(lambda: camera.parts["capture"].problem)
    assert "is no directory" in str(camera.parts["capture"].problem)

    (edge.watched / "later").mkdir()
    (edge.watched / "later" / "a.jpg").write_bytes(jpeg(1))

    edge.arrived(1)
    wait_until(lambda: camera.parts["capture"].problem is None)


def test_a_spool_that_is_full_when_a_file_is_put_away_doubles_nothing(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    def full(*_: object) -> None:
        raise SpoolUnavailable("database or disk is full")

    monkeypatch.setattr(Items, "forget", full)
    edge.put("a.jpg", jpeg(1))
    edge.put("b.jpg", jpeg(2))
    edge.run(directory_after="move")

    edge.arrived(2)
    wait_until(lambda: sorted(p.name for p in edge.watched.iterdir()) == ["taken"])
    heard = len(edge.hub.statuses)
    wait_until(lambda: len(edge.hub.statuses) >= heard + 3)
    assert len(edge.hub.frames) == 2


def test_a_full_disk_holds_pictures_back_and_loses_none(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    real, room = Events.append, threading.Event()

    def append(events: Events, *arguments: Any) -> Spooled:
        if not room.is_set():
            raise SpoolUnavailable("database or disk is full")
        return real(events, *arguments)

    monkeypatch.setattr(Events, "append", append)
    camera = edge.run()
    for number in range(5):
        edge.put(f"{number}.jpg", jpeg(number))
    wait_until(lambda: "disk is full" in camera.parts["store"].state)
    room.set()

    edge.arrived(5)

    assert edge.hub.chain_problems() == []
    assert len(set(edge.hub.cids())) == 5


@pytest.mark.parametrize(("failures", "stored"), [(1, 2), (3, 1)])
def test_what_nobody_thought_of_is_tried_again_and_does_not_block_the_next_for_ever(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, failures: int, stored: int
) -> None:
    monkeypatch.setattr("camera_uploader.workers.RESTART_DELAY_S", 0.01)
    real, left = Node.pin, iter(range(failures))

    def pin(node: Node, cid: Cid) -> None:
        if next(left, None) is not None:
            raise RuntimeError("what nobody thought of")
        real(node, cid)

    monkeypatch.setattr(Node, "pin", pin)
    edge.put("a.jpg", jpeg(1))
    os.utime(edge.watched / "a.jpg", (1, 1))
    edge.put("b.jpg", jpeg(2))
    camera = edge.run(health_port=0)

    edge.arrived(stored)

    assert edge.hub.cids()[-1] == Cid.of(jpeg(2))
    refused = [entry["reason"] for entry in _status(camera)["refused"]]  # type: ignore[attr-defined]
    assert refused == ["FAILED"] * (2 - stored)
