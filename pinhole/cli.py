"""The `pinhole` command.

The stack's own commands are here; every service adds its own through the entry-point group
`pinhole.commands`: a function `register(commands)`, see pinhole.runtime.commands.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version

from pinhole.contract.errors import PinholeError
from pinhole.runtime.commands import Commands
from pinhole.stack import run_state, stack_commands, token_commands, up_command
from pinhole.stack.doctor import commands as doctor_commands
from pinhole.stack.doctor.examined import hub_of
from pinhole.stack.layout import Layout

GROUP = "pinhole.commands"
FAILED = 1
INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; failures are one sentence on standard error."""
    words = sys.argv[1:] if argv is None else list(argv)
    arguments = make_parser(words).parse_args(words)
    try:
        status: int = arguments.run(arguments)
    except PinholeError as error:
        sys.stderr.write(f"pinhole: {error.details}\n")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def make_parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Return the parser with the stack's commands and, where `words` is none, every service's.

    Loading the services' commands takes a second (their libraries): `pinhole status` does not
    wait for it.
    """
    parser = argparse.ArgumentParser(
        prog="pinhole",
        description="An IPFS-native camera pipeline: messages carry references, never pictures.",
        epilog="`pinhole COMMAND --help` explains one command; begin with `pinhole up`.",
    )
    parser.add_argument("--version", action="version", version=f"pinhole {_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (up_command, stack_commands, token_commands, doctor_commands):
        module.register(commands)
    if not words or words[0] not in commands.choices:
        _point_at_running_stack()
        for entry_point in sorted(entry_points(group=GROUP), key=lambda found: found.name):
            _register(entry_point, commands)
    return parser


def _point_at_running_stack() -> None:
    """Let the services' commands work on the stack that runs here, unless told otherwise."""
    layout = Layout.here()
    state = run_state.read(layout)
    if state is None:
        return
    for service in ("DASHBOARD", "PINNING"):
        os.environ.setdefault(f"{service}_POSTGRES_DSN", state.dsn)
    hub = hub_of(layout)
    if hub is not None and "PINNING_KUBO_RPC_URL" not in os.environ:
        os.environ["PINNING_KUBO_RPC_URL"] = hub.rpc_url
        os.environ.setdefault("PINNING_KUBO_RPC_TOKEN", hub.token or "")


def _register(entry_point: EntryPoint, commands: Commands) -> None:
    try:
        register = entry_point.load()
    except ImportError:
        # The service's extra is not installed here (a camera has no detector): no commands of it.
        return
    register(commands)


def _version() -> str:
    try:
        return version("pinhole")
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
