"""`users add|add-admin|ls|grant|revoke|disable|reset`: who may log in, by an operator's hand."""

import argparse
import asyncio
import json
import sys
from functools import partial

from pinhole.runtime.commands import Commands


def register(commands: Commands) -> None:
    """Add the commands."""
    parser = commands.add_parser("users", help="add, list, grant and disable users")
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    first = _add(actions, "add-admin", "make the first administrator, once")
    first.add_argument("name", nargs="?", default="admin", help="the user's name (admin)")
    add = _add(actions, "add", "make a user with a one-time password")
    add.add_argument("name", help="the user's name")
    add.add_argument("--admin", action="store_true", help="sees everything, without grants")
    _add_what(add, required=False)
    _add(actions, "ls", "list the users and what they may see")
    for name, words in (
        ("grant", "let a viewer see sites or cameras"),
        ("revoke", "take grants back; effective within 2 s"),
    ):
        parser = _add(actions, name, words)
        parser.add_argument("name", help="the user's name")
        _add_what(parser, required=True)
    for name, words in (
        ("disable", "close an account and end its sessions, within 2 s"),
        ("reset", "give a user a new one-time password and end its sessions"),
    ):
        _add(actions, name, words).add_argument("name", help="the user's name")


def _add(actions: Commands, name: str, words: str) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=words)
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    parser.set_defaults(run=partial(_run, name))
    return parser


def _add_what(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "--to",
        action="append",
        default=[],
        required=required,
        metavar="SITE[/CAMERA]",
        help="a whole site, or one camera of it; repeat it for several",
    )


def _run(command: str, arguments: argparse.Namespace) -> int:
    # argon2 and asyncpg take a second to load: only these commands wait for them.
    from dashboard_gateway import user_actions  # noqa: PLC0415

    answer = asyncio.run(user_actions.ACTIONS[command](arguments))
    text = json.dumps(answer) if arguments.json else user_actions.sentence(command, answer)
    sys.stdout.write(text + "\n")
    return 0
