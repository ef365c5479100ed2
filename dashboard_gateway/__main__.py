"""`python -m dashboard_gateway [serve|dispatch|cameras|frames|users …]`.

Without a word it serves and dispatches.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from dashboard_gateway import camera_commands, frame_commands, user_commands
from pinhole.contract.errors import PinholeError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the service, a part of it, or a command about it; return the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
    except PinholeError as error:
        sys.stderr.write(f"{error.reason}: {error.details}\n")
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dashboard_gateway",
        description="The dashboard, configured by variables that begin with DASHBOARD_.",
    )
    parser.set_defaults(run=partial(_run, "everything"))
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve HTTP; dispatchers run elsewhere")
    serve.set_defaults(run=partial(_run, "serve"))
    dispatch = commands.add_parser("dispatch", help="only dispatch, with health and metrics")
    dispatch.set_defaults(run=partial(_run, "dispatch"))
    camera_commands.register(commands)
    frame_commands.register(commands)
    user_commands.register(commands)
    return parser


def _run(part: str, arguments: argparse.Namespace) -> int:
    """Bring the tables up to date, then run until told to stop."""
    del arguments
    # Here and not above: `cameras add` should not wait for OpenCV and Jinja2 to be imported.
    from dashboard_gateway.app import PARTS, make_app  # noqa: PLC0415
    from dashboard_gateway.settings import DashboardSettings  # noqa: PLC0415
    from pinhole.runtime.migrations import migrate  # noqa: PLC0415
    from pinhole.runtime.service import run  # noqa: PLC0415

    settings = DashboardSettings.load()
    dsn = settings.postgres_dsn.get_secret_value()
    migrate(dsn, "pinhole.runtime.access", "access")
    migrate(dsn, "dashboard_gateway.migrations", "dashboard")
    run(partial(make_app, parts=PARTS[part]), settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
