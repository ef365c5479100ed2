"""`pinhole up`."""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from pinhole.runtime.commands import Commands
from pinhole.stack import run_state, sources
from pinhole.stack.announcement import announcement
from pinhole.stack.failure import StackFailure
from pinhole.stack.layout import HOME_VARIABLE, Layout
from pinhole.stack.options import Options
from pinhole.stack.port_plan import DEFAULT_PAGE_PORT
from pinhole.stack.progress import Progress, Report
from pinhole.stack.run_state import RunState

_SUPERVISOR = "pinhole"
_POLL_S = 0.1
_START_WITHIN_S = 3600.0  # the first start may have to build Kubo on a slow machine


def register(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "up",
        help="run everything on this machine",
        description="Starts PostgreSQL, private Kubo nodes, every service and the cameras; "
        f"Ctrl-C stops them. The state is kept in .pinhole of the checkout, or "
        f"where {HOME_VARIABLE} says.",
    )
    parser.add_argument(
        "--source",
        action="append",
        metavar="SOURCE",
        help="a camera: dir:PATH, file:VIDEO, rtsp://…, usb:0 or synthetic:street; repeat it for "
        "several (default: synthetic:street and synthetic:gate)",
    )
    parser.add_argument("--no-cameras", action="store_true", help="start no camera")
    parser.add_argument(
        "--port",
        type=_port,
        default=DEFAULT_PAGE_PORT,
        help="the page's port (default: %(default)s)",
    )
    parser.add_argument("--fps", type=_fps, help="frames a second of each live camera (default: 2)")
    parser.add_argument("--detach", action="store_true", help="return when ready; run on behind")
    # What --detach starts: its output is a log, which no password belongs in.
    parser.add_argument("--behind", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(run=start)


def start(arguments: argparse.Namespace) -> int:
    """Run `pinhole up`."""
    progress = Progress()
    layout = Layout.here()
    if arguments.no_cameras and arguments.source:
        raise StackFailure("--no-cameras and --source exclude each other")
    options = Options(sources=_sources(arguments), page_port=arguments.port, fps=arguments.fps)
    if arguments.detach:
        return _start_behind(layout, options, progress)
    from pinhole.stack import up  # noqa: PLC0415 - 0.8 s that `pinhole status` need not wait for

    up.run(layout, options, progress, announce=not arguments.behind)
    return 0


def _sources(arguments: argparse.Namespace) -> tuple[sources.Source, ...]:
    if arguments.no_cameras:
        return ()
    return sources.parse(arguments.source or sources.DEFAULT_SOURCES)


def _start_behind(layout: Layout, options: Options, report: Report) -> int:
    """Run the same command without --detach in a session of its own; relay it until ready."""
    layout.make()
    if run_state.is_running(layout):
        with run_state.only_run(layout):  # raises the sentence
            return 0
    log = layout.log(_SUPERVISOR)
    log.parent.mkdir(exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - this very command again
            (sys.executable, "-P", "-m", "pinhole.cli", "up", *_words(options)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    state = _relay(layout, log, process)
    if state is None:
        return process.returncode
    for line in announcement(layout, state.url):
        report(line)
    return 0


def _words(options: Options) -> list[str]:
    """Return the words that give `options` on the command line."""
    words = ["--behind", "--port", str(options.page_port)]
    if options.fps is not None:
        words += ["--fps", str(options.fps)]
    if not options.sources:
        words.append("--no-cameras")
    for source in options.sources:
        words += ["--source", source.text]
    return words


def _relay(layout: Layout, log: Path, process: subprocess.Popen[bytes]) -> RunState | None:
    """Copy the log to the terminal until the stack is ready; None where it ended instead."""
    deadline = time.monotonic() + _START_WITHIN_S
    with log.open() as lines:
        while True:
            code = process.poll()
            state = run_state.read(layout)
            sys.stdout.write(lines.read())
            sys.stdout.flush()
            if code is not None:
                return None
            if state is not None and state.pid == process.pid and state.ready:
                return state
            if time.monotonic() > deadline:
                raise StackFailure(f"not ready after {_START_WITHIN_S:.0f} s; see {log}")
            time.sleep(_POLL_S)


def _port(text: str) -> int:
    port = int(text) if text.isascii() and text.isdigit() else -1
    if not 1 <= port <= 65_535:  # noqa: PLR2004 - what TCP has
        raise argparse.ArgumentTypeError(f"{text!r} is not a port between 1 and 65535")
    return port


def _fps(text: str) -> float:
    try:
        fps = float(text)
    except ValueError:
        fps = 0.0
    if not 0 < fps <= 60:  # noqa: PLR2004 - the camera's own bound
        raise argparse.ArgumentTypeError(f"{text!r} is not a rate above 0 and up to 60")
    return fps
