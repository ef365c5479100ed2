"""`pinhole doctor`."""

import argparse
from pathlib import Path

from pinhole.runtime.commands import Commands
from pinhole.stack.kubo_profile import Role


def register(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        help="hold each live Kubo node against its profile; 1 where anything is dangerous",
        description="Looks at the nodes of the stack that runs here, or at the one of --rpc, and "
        "names every dangerous difference from Pinhole's profile with the command that mends it. "
        "Nothing is changed. Ends with 1 where anything is dangerous or could not be examined.",
    )
    parser.add_argument("--rpc", metavar="URL", help="a node's RPC, http://10.x.y.z:5001")
    parser.add_argument(
        "--role",
        type=Role,
        choices=list(Role),
        default=Role.HUB,
        help="what the node of --rpc is (default: %(default)s)",
    )
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="the RPC's bearer token")
    parser.add_argument("--gateway", metavar="URL", help="the gateway of the node of --rpc")
    parser.add_argument("--repo", type=Path, metavar="DIR", help="its repository, if it is here")
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    parser.set_defaults(run=_run)


# What the examination imports takes 0.2 s to load: only this command waits for it.


def _run(arguments: argparse.Namespace) -> int:
    from pinhole.stack.doctor import actions  # noqa: PLC0415

    return actions.run(arguments)
