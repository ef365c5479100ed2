"""A program the stack runs: its command, its log, how one knows that it is ready."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from pinhole.stack.failure import StackFailure

_POLL_S = 0.02
_LOG_TAIL_LINES = 8


def always_ready() -> bool:
    """Be the probe of a program that is ready as soon as it runs."""
    return True


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run, where it writes, and when it counts as ready.

    `ready` may block for up to a second and never raises. `stop_signal` asks for an orderly
    end; `stop_within_s` later the whole process group is killed.
    """

    name: str
    argv: tuple[str, ...]
    log: Path
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] = always_ready
    start_within_s: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_within_s: float = 15.0

    def command(self) -> tuple[str, ...]:
        """Return `argv`, tied to the life of the process that starts it where Linux can.

        `setpriv` (util-linux, essential in Debian) sets PR_SET_PDEATHSIG between fork and exec:
        a `pinhole up` that is killed takes its children along. A `preexec_fn` could do the
        same but is unsafe beside threads and warns from Python 3.12 on.
        """
        setpriv = shutil.which("setpriv")
        if setpriv is None or self.argv[0] == setpriv:
            return self.argv
        return (setpriv, "--pdeathsig", self.stop_signal.name.removeprefix("SIG"), "--", *self.argv)

    def environment(self) -> dict[str, str]:
        """Return the caller's environment with this program's own variables over it."""
        return {**os.environ, **self.env}

    def open_log(self) -> BinaryIO:
        """Return the log, open for appending."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        return self.log.open("ab")

    def failure(self, what: str) -> StackFailure:
        """Return the error that says `what` happened, with the end of the log."""
        return StackFailure(f"{self.name} {what}; its log {self.log} ends:\n{self.log_tail()}")

    def log_tail(self) -> str:
        """Return the last lines of the log, for an error that has to explain itself."""
        if not self.log.exists():
            return "(no log was written)"
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-_LOG_TAIL_LINES:])


def launch(program: Program) -> subprocess.Popen[bytes]:
    """Start `program` as the leader of its own process group, output appended to its log."""
    with program.open_log() as log:
        return subprocess.Popen(  # noqa: S603 - the commands are the stack's own
            program.command(),
            cwd=program.cwd,
            env=program.environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait_until_ready(program: Program, process: subprocess.Popen[bytes]) -> None:
    """Return once `program` is ready.

    Raises:
        StackFailure: It ended, or was not ready within its `start_within_s`.

    """
    deadline = time.monotonic() + program.start_within_s
    while not program.ready():
        code = process.poll()
        if code is not None:
            raise program.failure(f"ended with {code} while starting")
        if time.monotonic() > deadline:
            raise program.failure(f"was not ready within {program.start_within_s:.0f} s")
        time.sleep(_POLL_S)


def stop(program: Program, process: subprocess.Popen[bytes]) -> None:
    """End `program` and everything in its process group; return when it is gone."""
    if process.poll() is None:
        process.send_signal(program.stop_signal)
        try:
            process.wait(program.stop_within_s)
        except subprocess.TimeoutExpired:
            kill_group(process.pid)
            process.wait()
    kill_group(process.pid)


def kill_group(leader_pid: int) -> None:
    """Kill what is left of a process group; a group that is gone already is fine."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader_pid, signal.SIGKILL)


def group_is_gone(leader_pid: int) -> bool:
    """Return whether no process of a group is left, not even one waiting to be reaped."""
    try:
        os.killpg(leader_pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


@contextmanager
def running(program: Program) -> Iterator[subprocess.Popen[bytes]]:
    """Run `program` for the length of a `with` block, ready at its start and gone at its end."""
    process = launch(program)
    try:
        wait_until_ready(program, process)
        yield process
    finally:
        stop(program, process)
