"""`pinhole import TREE` and `pinhole imports [ID]`."""

import argparse
from pathlib import Path
from uuid import UUID

from pinhole.contract.owners import InvalidOwner, Owner
from pinhole.runtime.commands import Commands

DESCRIPTION = """\
Takes the files of a tree `{h0:2}/{h2:4}/{hash}.jpg` into the hub: each is held against the hash in
its name, stored, bound to OWNER and pinned (meta kind=import). What does not fit is reported and
skipped. Killed or interrupted, the same command goes on where it was. Ends with 0 where every file
is pinned, with 3 where some were skipped, with 1 where it could not end. It runs where the pinning
service does, with that service's settings (PINNING_...)."""


def register(commands: Commands) -> None:
    """Add the commands."""
    parser = commands.add_parser(
        "import", help="take an existing file store into the hub", description=DESCRIPTION
    )
    parser.add_argument("tree", type=Path, help="the store's directory")
    parser.add_argument(
        "--owner",
        required=True,
        type=_owner,
        metavar="OWNER",
        help="whose they are: camera:SITE/CAMERA or token:NAME",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="read and verify every file, change nothing"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=_import)
    listing = commands.add_parser("imports", help="list imports, or what one of them skipped")
    listing.add_argument("import_id", nargs="?", type=_uuid, metavar="ID", help="one import")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    listing.set_defaults(run=_show)


def _owner(text: str) -> Owner:
    try:
        return Owner.parse(text)
    except InvalidOwner as error:
        raise argparse.ArgumentTypeError(error.details) from error


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is no import's id") from None


# What the actions import (aiohttp, asyncpg) takes half a second: only these commands wait for it.


def _import(arguments: argparse.Namespace) -> int:
    from pinning.importing import actions  # noqa: PLC0415

    return actions.import_tree(arguments)


def _show(arguments: argparse.Namespace) -> int:
    from pinning.importing import actions  # noqa: PLC0415

    return actions.show(arguments)
