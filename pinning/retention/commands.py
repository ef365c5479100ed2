"""`policies ls|show|dry-run|apply`, `hold add|ls|lift`, `pins why`: an operator's hand."""

import argparse
import asyncio
import getpass
import json
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from pinhole.runtime.commands import Commands

Run = Callable[[argparse.Namespace], int]


def register_policies(commands: Commands) -> None:
    """Add `policies`."""
    parser = commands.add_parser("policies", help="what is kept how long: list, try, apply")
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add(actions, "ls", "list the versions there were", "list_versions")
    show = _add(actions, "show", "show the policies in force", "show_policies")
    show.add_argument("version", nargs="?", type=int, help="a version before this one")
    dry_run = _add(actions, "dry-run", "say what policies would remove, and remove nothing", "try_")
    dry_run.add_argument("file", nargs="?", help="policies as JSON, - for standard input")
    _add_by(dry_run)
    apply = _add(actions, "apply", "put the policies of a dry run into force", "apply")
    apply.add_argument("dry_run", metavar="DRY-RUN", help="its id, as it was shown")
    apply.add_argument(
        "--confirm",
        action="append",
        default=[],
        metavar="POLICY",
        help="a policy that may remove more than the usual share; repeat it for several",
    )
    _add_by(apply)


def register_holds(commands: Commands) -> None:
    """Add `hold`."""
    parser = commands.add_parser("hold", help="keep frames whatever policies say")
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add = _add(actions, "add", "hold CIDs, or all of a camera, a site, a time", "add_hold")
    add.add_argument("cid", nargs="*", help="what is held; or say where")
    add.add_argument("--kind", choices=("legal", "case"), default="case")
    add.add_argument("--reason", required=True, help="why; it is shown with the hold")
    add.add_argument("--site", action="append", help="everything of a site")
    add.add_argument("--camera", action="append", metavar="SITE/CAMERA")
    add.add_argument("--from", dest="captured_from", metavar="INSTANT", help="captured since")
    add.add_argument("--to", dest="captured_to", metavar="INSTANT", help="captured before")
    _add_by(add)
    listing = _add(actions, "ls", "list the holds", "list_holds")
    listing.add_argument("--lifted", action="store_true", help="those that were lifted as well")
    lift = _add(actions, "lift", "end a hold", "lift_hold")
    lift.add_argument("hold", metavar="HOLD", help="its id")
    lift.add_argument("--reason", required=True, help="why; it stays in the list")
    _add_by(lift)


def add_why(actions: Commands) -> None:
    """Add `why` to the commands about pins."""
    _add(actions, "why", "say whether a CID is kept, why, and until when", "why_").add_argument(
        "cid", metavar="CID"
    )


def _add(actions: Commands, name: str, words: str, action: str) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=words, description=words)
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    parser.set_defaults(run=_runs(action))
    return parser


def _add_by(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--by", default=f"operator:{_user()}", help="who decides this; you, unless said"
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"  # a container's user without a name


def _runs(action: str) -> Run:
    def run(arguments: argparse.Namespace) -> int:
        # asyncpg takes a second to load: only these commands wait for it.
        from pinning.retention import actions, tables  # noqa: PLC0415

        work: Callable[[argparse.Namespace], Coroutine[Any, Any, Any]] = getattr(actions, action)
        answer = asyncio.run(work(arguments))
        if arguments.json:
            text = json.dumps(answer.model_dump(mode="json", exclude_none=True))
        else:
            text = tables.of(answer)
        sys.stdout.write(f"{text}\n")
        return 0

    return run
