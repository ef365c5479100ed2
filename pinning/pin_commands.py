"""`pins why`: what an operator asks about pins."""

from pinhole.runtime.commands import Commands
from pinning.retention.commands import add_why


def register(commands: Commands) -> None:
    """Add the commands."""
    parser = commands.add_parser("pins", help="why a frame is kept")
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_why(actions)
