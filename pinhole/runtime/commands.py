"""How a service adds its own commands to `pinhole` (entry-point group `pinhole.commands`)."""

from argparse import ArgumentParser
from typing import Protocol


class Commands(Protocol):
    """Where commands are added: what `ArgumentParser.add_subparsers` returns.

    A parser names what it runs with `set_defaults(run=function)`, where
    `function(arguments: argparse.Namespace) -> int` returns the exit status.
    """

    def add_parser(
        self,
        name: str,
        *,
        help: str | None = None,  # noqa: A002 - the name is argparse's
        description: str | None = None,
    ) -> ArgumentParser:
        """Add one command; `help` is its line in the list, `description` its own page."""
