"""Whoever asks learns whether the stack runs, and two never run on one home."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pinhole.stack import run_state
from pinhole.stack.failure import StackFailure
from pinhole.stack.layout import Layout
from pinhole.stack.processes import Standing, State
from pinhole.stack.status import table


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "home")
    layout.make()
    return layout


def a_state(**health_urls: str) -> run_state.RunState:
    standing = Standing(
        name="pinning", state=State.READY, pid=7, restarts=2, since=datetime.now(UTC)
    )
    return run_state.of_this_process(
        url="http://127.0.0.1:8080",
        dsn="postgresql:///pinhole",
        ready=True,
        health_urls=health_urls,
        programs=[standing],
    )


def test_what_is_published_is_read_back(layout: Layout) -> None:
    state = a_state()
    run_state.write(layout, state)
    assert run_state.read(layout) == state


def test_nothing_runs_before_the_first_start(layout: Layout) -> None:
    assert not run_state.is_running(layout)
    assert run_state.read(layout) is None


def test_a_second_run_is_refused_and_told_where_the_first_one_is(layout: Layout) -> None:
    with run_state.only_run(layout):
        run_state.write(layout, a_state())
        assert run_state.is_running(layout)
        sentence = rf"runs already at http://127.0.0.1:8080 \(process {os.getpid()}\)"
        with pytest.raises(StackFailure, match=sentence), run_state.only_run(layout):
            pytest.fail("two runs at once")
    assert not run_state.is_running(layout)


def test_the_state_ends_with_the_run(layout: Layout) -> None:
    with run_state.only_run(layout):
        run_state.write(layout, a_state())
    assert run_state.read(layout) is None


def test_the_table_says_what_each_part_does(layout: Layout) -> None:
    del layout
    heads, row = table(a_state(pinning="http://127.0.0.1:9/healthz")).splitlines()
    assert heads.split() == ["PART", "STATE", "PID", "SINCE", "RESTARTS", "HEALTH"]
    assert row.split()[:5] == ["pinning", "ready", "7", "0:00:00", "2"]
    assert "does not answer" in row
