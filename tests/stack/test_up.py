"""`pinhole up` from outside: it comes up, says how it is, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pinhole.stack import run_state
from pinhole.stack.layout import HOME_VARIABLE, Layout
from pinhole.stack.ports import unused_port
from pinhole.stack.processes import Standing, State
from pinhole.stack.run_state import RunState
from tests.support.polling import WaitUntil
from tests.support.stack import pinhole

SERVICES = {"pinning", "yolo", "dashboard"}
# Promised are 15 s to the first boxes on a quiet machine of 2 cores; whoever runs the tests may
# have other work on theirs.
SECOND_START_WITHIN_S = 30


def processes_of(home: Path) -> list[str]:
    """Return the commands of all processes that know `home` by their words or environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            variables = (process / "environ").read_bytes()
        except OSError:
            continue
        if os.fsencode(home) in words + variables and int(process.name) != os.getpid():
            found.append(words.replace(b"\0", b" ").decode(errors="replace"))
    return found


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Give a home of its own, stopped at the end whatever happens."""
    home = tmp_path / "home"
    yield home
    pinhole(home, "down")


def state_of(home: Path) -> RunState:
    state = run_state.read(Layout(home))
    assert state is not None, "the stack has ended"
    return state


def standing_of(home: Path, part: str) -> Standing:
    return next(one for one in state_of(home).programs if one.name == part)


def health_by_status(home: Path) -> dict[str, str]:
    """Return the last column of `pinhole status` by its first, for the parts that have a health."""
    _, _, _, *rows = pinhole(home, "status").splitlines()
    cells = [row.split() for row in rows]
    return {row[0]: row[-1] for row in cells if row[0] in SERVICES}


@pytest.mark.timeout(300)
def test_a_stack_lives_through_two_starts_a_kill_and_a_reset(
    home: Path, wait_until: WaitUntil
) -> None:
    words = ("up", "--detach", "--no-cameras", "--port", str(unused_port()))
    assert "log in as admin with the one-time password " in pinhole(home, *words)
    assert {one.name for one in state_of(home).programs} == SERVICES | {"postgres", "kubo-hub"}
    assert health_by_status(home) == dict.fromkeys(SERVICES, "ok")

    pid = standing_of(home, "pinning").pid
    assert pid is not None
    os.killpg(pid, signal.SIGKILL)
    wait_until(lambda: standing_of(home, "pinning").restarts == 1, timeout_s=30)
    wait_until(lambda: standing_of(home, "pinning").state is State.READY, timeout_s=30)
    assert "pinning listens on" in pinhole(home, "logs", "pinning", "-n", "1")
    pinhole(home, "down")
    assert processes_of(home) == []

    started_at = time.monotonic()
    pinhole(home, *words)
    assert time.monotonic() - started_at < SECOND_START_WITHIN_S
    pinhole(home, "reset", "--yes")
    assert not home.exists()
    assert processes_of(home) == []


@pytest.mark.timeout(120)
def test_a_supervisor_that_is_killed_takes_everything_along(
    home: Path, wait_until: WaitUntil
) -> None:
    pinhole(home, "up", "--detach", "--no-cameras", "--port", str(unused_port()))
    os.kill(state_of(home).pid, signal.SIGKILL)
    wait_until(lambda: processes_of(home) == [], timeout_s=40)
    assert not run_state.is_running(Layout(home))


@pytest.mark.timeout(120)
def test_ctrl_c_while_starting_stops_what_was_started(home: Path, wait_until: WaitUntil) -> None:
    starting = subprocess.Popen(
        (sys.executable, "-m", "pinhole.cli", "up", "--no-cameras", "--port", str(unused_port())),
        env={**os.environ, HOME_VARIABLE: str(home)},
        stdout=subprocess.PIPE,
        text=True,
    )

    def hub_is_there() -> bool:
        state = run_state.read(Layout(home))
        return state is not None and any(one.name == "kubo-hub" for one in state.programs)

    wait_until(hub_is_there, timeout_s=30)
    starting.send_signal(signal.SIGINT)
    said, _ = starting.communicate(timeout=40)
    assert said.rstrip().endswith("stopped")
    assert starting.returncode == 0
    assert processes_of(home) == []
