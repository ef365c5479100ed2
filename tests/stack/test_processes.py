"""Programs are kept running, and when told to stop, nothing of them is left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pinhole.stack.failure import StackFailure
from pinhole.stack.processes import Processes, State
from pinhole.stack.program import Program
from tests.support.polling import Eventually, WaitUntil

# Says its own pid and that of a child of its own, then waits for ever.
WITH_CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""

# Supervises one program that says its pid.
SUPERVISOR = """
import asyncio, pathlib, sys
from pinhole.stack.processes import Processes
from pinhole.stack.program import Program
code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
part = Program(name="part", argv=(sys.executable, "-c", code), log=pathlib.Path(sys.argv[1]))
async def main():
    await Processes(print, lambda: None).start(part)
    await asyncio.sleep(600)
asyncio.run(main())
"""


def program(tmp_path: Path, code: str, *, name: str = "part", stop_within_s: float = 5) -> Program:
    log = tmp_path / f"{name}.log"
    return Program(
        name=name,
        argv=(sys.executable, "-c", code),
        log=log,
        ready=lambda: log.exists() and log.stat().st_size > 0,
        start_within_s=10,
        stop_within_s=stop_within_s,
    )


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


class Lines(list[str]):
    """A report that remembers."""

    def __call__(self, line: str) -> None:
        self.append(line)


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def processes(lines: Lines) -> Processes:
    return Processes(lines, changed=lambda: None)


async def test_a_killed_program_is_started_again(
    tmp_path: Path, processes: Processes, lines: Lines, eventually: Eventually
) -> None:
    await processes.start(program(tmp_path, WITH_CHILD))
    first = processes.standings[0].pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: processes.standings[0].restarts == 1)
    await eventually(lambda: processes.standings[0].state is State.READY)
    assert processes.standings[0].pid != first
    assert "part ended with -9, starting it again" in lines
    await processes.stop()


async def test_what_a_killed_program_had_started_is_ended_before_the_restart(
    tmp_path: Path, processes: Processes, eventually: Eventually
) -> None:
    part = program(tmp_path, WITH_CHILD)
    await processes.start(part)
    grandchild = int(part.log.read_text().split()[0])
    leader = processes.standings[0].pid
    assert leader is not None
    os.kill(leader, signal.SIGKILL)
    await eventually(lambda: not alive(grandchild))
    await processes.stop()


async def test_stopping_leaves_neither_the_program_nor_its_children(
    tmp_path: Path, processes: Processes
) -> None:
    part = program(tmp_path, WITH_CHILD)
    await processes.start(part)
    leader = processes.standings[0].pid
    grandchild = int(part.log.read_text().split()[0])
    await processes.stop()
    assert leader is not None
    assert not alive(leader)
    assert not alive(grandchild)


async def test_a_program_that_ignores_the_signal_is_killed(
    tmp_path: Path, processes: Processes
) -> None:
    await processes.start(program(tmp_path, DEAF, stop_within_s=0.2))
    leader = processes.standings[0].pid
    started_at = time.monotonic()
    await processes.stop()
    assert leader is not None
    assert not alive(leader)
    assert time.monotonic() - started_at < 5


async def test_a_first_start_that_fails_says_why(tmp_path: Path, processes: Processes) -> None:
    failing = program(tmp_path, "import sys; sys.exit('no such camera')")
    failing = Program(name="part", argv=failing.argv, log=failing.log, ready=lambda: False)
    with pytest.raises(StackFailure, match=r"part ended with 1 while starting.*\s.*no such camera"):
        await processes.start(failing)
    await processes.stop()


async def test_layers_are_stopped_in_order(tmp_path: Path, processes: Processes) -> None:
    code = """
import pathlib, signal, sys, time
def leave(number, frame):
    with open({order!r}, "a") as file: file.write({name!r} + " ")
    sys.exit()
signal.signal(signal.SIGTERM, leave)
print("ready", flush=True)
time.sleep(600)
"""
    order = tmp_path / "order"
    for name in ("database", "service", "camera"):
        filled = code.format(order=str(order), name=name)
        await processes.start(program(tmp_path, filled, name=name))
    await processes.stop(({"camera"}, {"service"}))
    assert order.read_text().split() == ["camera", "service", "database"]


async def test_a_program_that_keeps_ending_is_started_ever_more_rarely(
    tmp_path: Path, processes: Processes, lines: Lines, eventually: Eventually
) -> None:
    # It is ready (it has written) and ends at once, every time.
    await processes.start(program(tmp_path, "print('here', flush=True)"))
    started_at = time.monotonic()
    await eventually(lambda: processes.standings[0].restarts >= 3)
    # 0.2 + 0.4 + 0.8 s of back-off lie before the third restart.
    assert time.monotonic() - started_at > 1.2
    await processes.stop()


def test_children_die_with_a_killed_supervisor(tmp_path: Path, wait_until: WaitUntil) -> None:
    log = tmp_path / "child.log"
    supervisor = subprocess.Popen((sys.executable, "-c", SUPERVISOR, str(log)))
    child = int(wait_until(lambda: log.read_text().strip() if log.exists() else ""))
    supervisor.kill()
    supervisor.wait()
    wait_until(lambda: not alive(child))


async def test_standings_are_published_on_every_change(tmp_path: Path, lines: Lines) -> None:
    seen: list[State] = []

    def changed() -> None:
        seen.extend(standing.state for standing in kept.standings)

    kept = Processes(lines, changed)
    await kept.start(program(tmp_path, WITH_CHILD))
    await kept.stop()
    assert seen == [State.READY, State.STOPPED]
