"""Policies in versions, and dry runs: what a set of them would do."""

from typing import Annotated

from pydantic import Field

from pinhole.contract.cid import Cid
from pinhole.contract.ids import Name
from pinhole.contract.message import Instant, Message
from pinhole.contract.policies import Policies, Policy, PolicySet

By = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
"""Who asks, where a service asks for a person."""


class PolicyVersion(PolicySet):
    """A set of policies as it is or was in force."""

    version: int
    applied_at: Instant
    applied_by: str
    dry_run: str | None = None
    """The dry run that was shown before; none for the set that comes with Pinhole."""
    enforced: bool
    """Whether it removes anything: a set that came with an upgrade waits to be applied."""
    confirmed: list[str] = []
    """Policies that may remove more than the usual share, until they have done so once."""


class PolicyVersions(Message):
    """Every set that was ever in force, newest first, without its policies."""

    versions: list["VersionEntry"]


class VersionEntry(Message):
    """One line of the history."""

    version: int
    applied_at: Instant
    applied_by: str
    policies: int
    enforced: bool


class Example(Message):
    """A pin that would go."""

    cid: Cid
    owner: str
    received_at: Instant
    size_bytes: int


class Going(Message):
    """What one policy would remove."""

    policy: str
    pins: int
    size_bytes: int
    share: float
    """Of the pins or of the bytes that are held, whichever is more; 0 to 1."""
    needs_confirmation: bool
    """Whether that is more than a policy may remove without being named."""
    examples: list[Example] = []


class Amount(Message):
    """Pins and the sum of their sizes."""

    pins: int
    size_bytes: int


class Forecast(Message):
    """When the hub's disk is full, should frames go on coming as in the last days."""

    room_bytes: int | None = None
    """What the hub may still take; None: nobody knows."""
    arriving_bytes_per_day: int
    days_until_full: float | None = None
    """None: not within ten years, or the room is not known."""


class DryRun(Message):
    """What a set of policies would do now. Nothing was done."""

    dry_run: str
    made_at: Instant
    made_by: str
    based_on: int
    """The version in force when it was made: applied only while that is still so."""
    policies: list[Policy]
    held: Amount
    going: list[Going]
    """One for each policy that would remove anything, the most first."""
    going_in_all: Amount
    frees_bytes: int
    """Of blocks that no pin needs then: one that two pins name goes with the second."""
    saved_by_holds: Amount
    to_archive: Amount
    forecast: Forecast
    took_s: float


class DryRunRequest(Message):
    """Policies to be tried; none: those in force, as of now."""

    policies: Policies | None = None
    by: By | None = None
    """Who asks, where a service asks for a person."""


class ApplyRequest(Message):
    """Put the policies of a dry run into force."""

    dry_run: Annotated[str, Field(max_length=64)]
    confirm: list[Name] = []
    """Policies that may remove more than the usual share, by name."""
    by: By | None = None
