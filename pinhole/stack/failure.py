"""The one error of the stack: a sentence for the person who typed the command."""

from pinhole.contract.errors import PinholeError


class StackFailure(PinholeError):
    """The stack cannot do what was asked; `details` says why and what would help."""

    reason = "STACK_FAILURE"
