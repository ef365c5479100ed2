"""`pinhole status|logs|down|reset`."""

import argparse
import itertools
import shutil
import signal
import sys
import time

from pinhole.runtime.commands import Commands
from pinhole.stack import log_files, run_state, status
from pinhole.stack.failure import StackFailure
from pinhole.stack.layout import Layout
from pinhole.stack.postgres_server import socket_dir_of

_POLL_S = 0.1
_DOWN_WITHIN_S = 90.0
_NOT_RUNNING = 3  # as `service status` says it (LSB)


def register(commands: Commands) -> None:
    """Add the stack's commands."""
    showing = commands.add_parser("status", help="show what runs, since when, and how it is")
    showing.set_defaults(run=show_status)
    _register_logs(commands)
    down = commands.add_parser("down", help="stop everything that `pinhole up` started")
    down.set_defaults(run=stop)
    reset = commands.add_parser("reset", help="stop everything and delete its state: all frames")
    reset.add_argument("--yes", action="store_true", help="do not ask")
    reset.set_defaults(run=delete_all)


def _register_logs(commands: Commands) -> None:
    parser = commands.add_parser("logs", help="show what the parts wrote")
    parser.add_argument(
        "name", nargs="*", help="parts, as `pinhole status` names them (default: all)"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    parser.add_argument(
        "-n", "--lines", type=int, default=20, help="lines of each log (default: %(default)s)"
    )
    parser.set_defaults(run=show_logs)


def show_status(arguments: argparse.Namespace) -> int:
    """Run `pinhole status`."""
    del arguments
    layout = Layout.here()
    state = run_state.read(layout) if run_state.is_running(layout) else None
    if state is None:
        sys.stdout.write(f"Pinhole is not running (state in {layout.home})\n")
        return _NOT_RUNNING
    word = "ready" if state.ready else "starting"
    sys.stdout.write(f"{state.url}  {word}, process {state.pid}, state in {layout.home}\n\n")
    sys.stdout.write(status.table(state))
    return 0


def show_logs(arguments: argparse.Namespace) -> int:
    """Run `pinhole logs`."""
    layout = Layout.here()
    chosen = log_files.chosen(layout, arguments.name)
    added = log_files.following(chosen) if arguments.follow else ()
    for line in itertools.chain(log_files.last_lines(chosen, arguments.lines), added):
        sys.stdout.write(line)
        sys.stdout.flush()
    return 0


def stop(arguments: argparse.Namespace) -> int:
    """Run `pinhole down`."""
    del arguments
    layout = Layout.here()
    if not run_state.is_running(layout):
        sys.stdout.write("Pinhole is not running\n")
        return 0
    _stop(layout)
    sys.stdout.write("stopped\n")
    return 0


def _stop(layout: Layout) -> None:
    state = run_state.read(layout)
    if state is None:
        raise StackFailure("Pinhole is only just starting: try again, or press Ctrl-C there")
    run_state.send(state, signal.SIGTERM)
    deadline = time.monotonic() + _DOWN_WITHIN_S
    while run_state.is_running(layout) or not run_state.has_ended(state):
        if time.monotonic() > deadline:
            raise StackFailure(
                f"process {state.pid} did not stop within {_DOWN_WITHIN_S:.0f} s; "
                f"`kill -9 {state.pid}` ends it and what it started"
            )
        time.sleep(_POLL_S)


def delete_all(arguments: argparse.Namespace) -> int:
    """Run `pinhole reset`."""
    layout = Layout.here()
    if not layout.home.exists():
        sys.stdout.write(f"there is nothing in {layout.home}\n")
        return 0
    if not arguments.yes and not _confirmed(layout):
        sys.stdout.write("nothing was deleted\n")
        return 1
    if run_state.is_running(layout):
        _stop(layout)
    shutil.rmtree(layout.home)
    # Below a long path the socket has a directory of its own, elsewhere.
    shutil.rmtree(socket_dir_of(layout.postgres_dir), ignore_errors=True)
    sys.stdout.write(f"deleted {layout.home}\n")
    return 0


def _confirmed(layout: Layout) -> bool:
    sys.stdout.write(
        f"This deletes {layout.home}: every frame, pin, detection, user and key in it.\n"
        "It cannot be undone. Type `delete` to go on: "
    )
    sys.stdout.flush()
    return sys.stdin.readline().strip() == "delete"
