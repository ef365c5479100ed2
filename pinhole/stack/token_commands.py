"""`pinhole tokens create|ls|revoke`."""

import argparse
from ipaddress import ip_network

from pinhole.contract.ids import uuid7
from pinhole.contract.scopes import Scope
from pinhole.runtime.commands import Commands


def register(commands: Commands) -> None:
    """Add the commands."""
    parser = commands.add_parser("tokens", help="create, list and revoke bearer tokens")
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    create = actions.add_parser(
        "create",
        help="make a token and print it once",
        description="Prints a new token; only its hash is kept, so it cannot be shown again.",
    )
    create.add_argument(
        "--name",
        default=f"token-{uuid7().hex[:12]}",
        help="who will use it, such as n8n or city-a; each name once (default: a new one)",
    )
    create.add_argument(
        "--scope",
        action="append",
        required=True,
        choices=[scope.value for scope in Scope],
        help="what it may do; repeat it for several",
    )
    create.add_argument(
        "--camera",
        action="append",
        metavar="SITE[/CAMERA]",
        help="limits what it sees; repeat it for several (default: every camera)",
    )
    _add_options(create)
    create.set_defaults(run=_create)
    listing = actions.add_parser("ls", help="list the tokens, without their secrets")
    listing.set_defaults(run=_list)
    revoke = actions.add_parser("revoke", help="end a token; effective within 2 s")
    revoke.add_argument("name", help="the token's name, from `pinhole tokens ls`")
    revoke.set_defaults(run=_revoke)


def _add_options(create: argparse.ArgumentParser) -> None:
    """Add what outside clients of the Pinning Service API may need."""
    create.add_argument(
        "--unfinished-in-lists",
        action="store_true",
        help="lists of pins without a status show all of them, for clients that expect it "
        "(default: the pinned ones, as the Pinning Service API has it)",
    )
    create.add_argument(
        "--origin-peer",
        action="append",
        metavar="PEER",
        help="a peer id that its pins may name in `origins`; repeat it for several",
    )
    create.add_argument(
        "--origin-network",
        action="append",
        type=_network,
        metavar="CIDR",
        help="where such a peer's addresses may lie; repeat it for several",
    )


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


# What the actions import (asyncpg, aiohttp) takes 0.6 s to load: only these commands wait for it.


def _create(arguments: argparse.Namespace) -> int:
    from pinhole.stack import token_actions  # noqa: PLC0415

    return token_actions.create(arguments)


def _list(arguments: argparse.Namespace) -> int:
    from pinhole.stack import token_actions  # noqa: PLC0415

    return token_actions.show(arguments)


def _revoke(arguments: argparse.Namespace) -> int:
    from pinhole.stack import token_actions  # noqa: PLC0415

    return token_actions.revoke(arguments)
