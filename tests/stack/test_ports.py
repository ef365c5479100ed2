"""Ports: found free, chosen once, and a taken one is named with its holder."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pinhole.stack import port_plan
from pinhole.stack.failure import StackFailure
from pinhole.stack.port_plan import PortPlan, require_page_port
from pinhole.stack.ports import holder, is_free, unused_port


@pytest.fixture
def taken_port() -> Iterator[int]:
    """Listen on a port for the length of a test."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_with_a_listener_is_not_free(taken_port: int) -> None:
    assert not is_free(taken_port)


def test_an_unused_port_is_free_and_outside_the_range_of_outgoing_connections() -> None:
    port = unused_port()
    assert is_free(port)
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert port < lowest


def test_the_holder_of_a_port_is_named(taken_port: int) -> None:
    found = holder(taken_port)
    assert found is not None
    assert found.startswith(f"process {os.getpid()} (")
    assert holder(unused_port()) is None


def test_a_taken_page_port_is_refused_with_what_to_do(taken_port: int) -> None:
    with pytest.raises(StackFailure, match=rf"port {taken_port} is taken by process .*--port"):
        require_page_port(taken_port)


def test_ports_stay_the_same_from_start_to_start(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = PortPlan.read(file)
    chosen = (first.hub(), first.service("pinning"), first.camera("street", 1))
    again = PortPlan.read(file)
    assert (again.hub(), again.service("pinning"), again.camera("street", 1)) == chosen


def test_a_usual_port_that_is_taken_at_the_first_start_is_replaced(
    tmp_path: Path, taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(port_plan._SERVICES, "pinning", taken_port)
    assert PortPlan.read(tmp_path / "ports.json").service("pinning") != taken_port


def test_a_chosen_port_that_is_taken_later_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    port = PortPlan.read(file).service("yolo")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen()
        with pytest.raises(StackFailure, match=rf"port {port} of yolo, chosen .* is taken by"):
            PortPlan.read(file).service("yolo")


def test_no_two_parts_share_a_port(tmp_path: Path) -> None:
    plan = PortPlan.read(tmp_path / "ports.json")
    nodes = [plan.hub(), *(plan.camera(name, 1) for name in ("street", "gate"))]
    ports = [port for node in nodes for port in (node.api, node.gateway, node.swarm)]
    assert len(set(ports)) == len(ports)
