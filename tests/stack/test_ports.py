"""Ports: found free, chosen once, and a taken one is named with its holder."""

import os
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pinhole.stack import port_plan
from pinhole.stack.failure import StackFailure
from pinhole.stack.port_plan import PortPlan, require_page_port
from pinhole.stack.ports import holder, is_free, unused_port

Plan = Callable[[], PortPlan]


@pytest.fixture
def taken_port() -> Iterator[int]:
    """Listen on a port for the length of a test."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def plan(tmp_path: Path, lines: list[str]) -> Plan:
    """Give the plan of one stack, as each of its starts reads it."""
    return lambda: PortPlan.read(tmp_path / "ports.json", lines.append)


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


def test_ports_stay_the_same_from_start_to_start(plan: Plan) -> None:
    first = plan()
    chosen = (first.hub(), first.service("pinning"), first.camera("street", 1))
    again = plan()
    assert (again.hub(), again.service("pinning"), again.camera("street", 1)) == chosen


def test_a_usual_port_that_is_taken_at_the_first_start_is_replaced(
    plan: Plan, lines: list[str], taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(port_plan._SERVICES, "pinning", taken_port)
    assert plan().service("pinning") != taken_port
    assert lines == []


def test_a_port_that_is_taken_later_is_replaced_and_that_is_said(
    plan: Plan, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not the usual one, which a stack that somebody runs beside the tests may want.
    monkeypatch.setitem(port_plan._SERVICES, "yolo", unused_port())
    port = plan().service("yolo")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen()
        other = plan().service("yolo")
    assert other != port
    assert plan().service("yolo") == other
    (line,) = lines
    assert re.fullmatch(rf"port {port} is taken by process .*: yolo moves to {other}", line)


def test_no_two_parts_share_a_port(plan: Plan) -> None:
    ours = plan()
    nodes = [ours.hub(), *(ours.camera(name, 1) for name in ("street", "gate"))]
    ports = [port for node in nodes for port in (node.api, node.gateway, node.swarm)]
    assert len(set(ports)) == len(ports)
