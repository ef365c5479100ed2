"""The whole camera while something it needs is away, full or broken."""

import os
import threading
from typing import Any

import pytest

from camera_uploader.node import Node
from camera_uploader.spool.database import SpoolUnavailable
from camera_uploader.spool.events import Events, Spooled
from camera_uploader.spool.items import Items
from pinhole.contract.cid import Cid
from pinhole.stack.kubo_profile import Role
from pinhole.stack.program import running
from tests.camera_uploader.edge import Edge, get_json, status_of
from tests.camera_uploader.pictures import jpeg
from tests.camera_uploader.recording_hub import Scripted
from tests.support.kubo import Swarm
from tests.support.polling import WaitUntil


def test_an_outage_of_the_hub_loses_nothing_and_is_caught_up_in_batches(
    edge: Edge, wait_until: WaitUntil
) -> None:
    camera = edge.run(health_port=0)
    edge.put("before.jpg", jpeg(1000))
    edge.arrived(1)
    edge.hub.is_up = False
    for number in range(60):
        edge.put(f"{number}.jpg", jpeg(number))
    wait_until(lambda: status_of(camera)["spool"]["unsent"] == 60)
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


def test_heartbeats_end_a_pause_of_the_sender(edge: Edge) -> None:
    edge.hub.scripted += [Scripted.error(500, "INTERNAL")] * 2
    edge.run(retry_max_s=600.0, heartbeat_s=0.1)
    edge.put("a.jpg", jpeg(1))

    edge.arrived(1, timeout_s=10)


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
    refused = [entry["reason"] for entry in status_of(camera)["refused"]]
    assert refused == ["FAILED"] * (2 - stored)
