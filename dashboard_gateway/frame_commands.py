"""`frames retry`: what was given up is tried again, by an operator's hand."""

import argparse
import asyncio
import sys

from pinhole.runtime.commands import Commands


def register(commands: Commands) -> None:
    """Add the commands."""
    parser = commands.add_parser("frames", help="try frames again that were given up")
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    retry = actions.add_parser("retry", help="analyse failed frames anew, look for missing bytes")
    retry.add_argument(
        "what",
        choices=("failed", "missing"),
        help="`failed`: pinned, and the detector gave up; `missing`: the bytes were not to be had",
    )
    retry.set_defaults(run=_retry)


def _retry(arguments: argparse.Namespace) -> int:
    # asyncpg takes a second to load: only this command waits for it.
    from dashboard_gateway import revival  # noqa: PLC0415
    from dashboard_gateway.camera_actions import database  # noqa: PLC0415

    async def retry() -> int:
        again = {"failed": revival.retry_failed, "missing": revival.retry_missing}
        async with database() as pool:
            return await again[arguments.what](pool)

    sys.stdout.write(f"{asyncio.run(retry())} frames are tried again\n")
    return 0
