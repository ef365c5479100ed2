"""What is known of the running stack by those who did not start it."""

import contextlib
import fcntl
import json
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pinhole.stack.failure import StackFailure
from pinhole.stack.layout import Layout
from pinhole.stack.processes import Standing, State


@dataclass(frozen=True, kw_only=True)
class RunState:
    """One run of the stack: `pid` is the supervisor's, `ready` once everything answered."""

    pid: int
    url: str
    dsn: str
    ready: bool
    health_urls: dict[str, str]
    programs: tuple[Standing, ...]


@contextmanager
def only_run(layout: Layout) -> Iterator[None]:
    """Hold the lock that says that the stack runs here.

    The kernel drops it with the process, however that ends: a lock never outlives its run.

    Raises:
        StackFailure: Another process holds it.

    """
    with _lock_file(layout).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            state = read(layout)
            where = f" at {state.url} (process {state.pid})" if state else ""
            raise StackFailure(
                f"Pinhole runs already{where} with its state in {layout.home}: "
                "`pinhole status` shows it, `pinhole down` stops it"
            ) from error
        try:
            yield
        finally:
            _state_file(layout).unlink(missing_ok=True)


def is_running(layout: Layout) -> bool:
    """Return whether some process holds the lock."""
    if not _lock_file(layout).exists():
        return False
    with _lock_file(layout).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def write(layout: Layout, state: RunState) -> None:
    """Publish `state`."""
    target = _state_file(layout)
    fresh = target.with_name(target.name + ".new")
    fresh.write_text(json.dumps(asdict(state), default=datetime.isoformat, indent=1))
    fresh.replace(target)


def read(layout: Layout) -> RunState | None:
    """Return what the running stack last published, or None while nothing is."""
    try:
        found: dict[str, Any] = json.loads(_state_file(layout).read_text())
    except FileNotFoundError:
        return None
    programs = tuple(_standing(entry) for entry in found.pop("programs"))
    return RunState(**found, programs=programs)


def send(state: RunState, number: signal.Signals) -> None:
    """Send a signal to the supervisor of a run; one that ended meanwhile is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(state.pid, number)


def has_ended(state: RunState) -> bool:
    """Return whether the supervisor of a run is gone, or only waits to be reaped."""
    try:
        os.kill(state.pid, 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{state.pid}/stat")
    with contextlib.suppress(OSError):
        return status.read_text().rpartition(")")[2].split()[0] == "Z"
    return False


def of_this_process(
    *,
    url: str,
    dsn: str,
    ready: bool,
    health_urls: dict[str, str],
    programs: Sequence[Standing],
) -> RunState:
    """Return the state of a run that this process supervises."""
    return RunState(
        pid=os.getpid(),
        url=url,
        dsn=dsn,
        ready=ready,
        health_urls=health_urls,
        programs=tuple(programs),
    )


def _standing(entry: dict[str, Any]) -> Standing:
    return Standing(
        name=entry["name"],
        state=State(entry["state"]),
        pid=entry["pid"],
        restarts=entry["restarts"],
        since=datetime.fromisoformat(entry["since"]),
    )


def _lock_file(layout: Layout) -> Path:
    return layout.run_dir / "lock"


def _state_file(layout: Layout) -> Path:
    return layout.run_dir / "state.json"
