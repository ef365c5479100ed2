"""`pinhole reconcile`: compare the hub's node with the ledger, by an operator's hand."""

import argparse
import asyncio
import sys

from pinhole.runtime.commands import Commands

DIFFERS = 3


def register(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "reconcile",
        help="compare what the hub holds with what it should; repair the difference",
        description="Lists every pin and block of the hub's node, compares them with the ledger and"
        " hashes a random sample of bytes. Without --repair it only reports. Exit status 0: nothing"
        f" differs any more; {DIFFERS}: something still does; 1: it was refused or failed.",
    )
    parser.add_argument(
        "--repair",
        action="store_true",
        help="pin again what lost its pin, fetch what is missing or rotten from whoever has it",
    )
    parser.add_argument(
        "--remove-orphans",
        action="store_true",
        help="remove pins and blocks that nobody here knows, if an earlier run saw them too",
    )
    parser.add_argument(
        "--max-share",
        type=float,
        metavar="SHARE",
        help="how much may differ before nothing is touched, 0 to 1 (PINNING_RECONCILE_MAX_SHARE)",
    )
    parser.add_argument(
        "--sample",
        type=int,
        metavar="BLOCKS",
        help="random blocks to hash (PINNING_RECONCILE_SAMPLE_BLOCKS)",
    )
    parser.add_argument(
        "--last", action="store_true", help="tell what the last run found; begin none"
    )
    parser.add_argument("--json", action="store_true", help="answer as JSON, without a bar")
    parser.set_defaults(run=_reconcile)


def _reconcile(arguments: argparse.Namespace) -> int:
    # asyncpg and the settings take a second to load: only this command waits for them.
    from pinning.reconciling import actions  # noqa: PLC0415

    run = asyncio.run(actions.reconcile(arguments))
    if arguments.json:
        sys.stdout.write(run.wire().decode() + "\n")
    else:
        sys.stdout.write("\n".join(actions.lines_of(run)) + "\n")
    return actions.exit_status(run)
