"""`pinhole tokens create|ls|revoke`."""

import argparse

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
    create.set_defaults(run=_create)
    listing = actions.add_parser("ls", help="list the tokens, without their secrets")
    listing.set_defaults(run=_list)
    revoke = actions.add_parser("revoke", help="end a token; effective within 2 s")
    revoke.add_argument("name", help="the token's name, from `pinhole tokens ls`")
    revoke.set_defaults(run=_revoke)


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
