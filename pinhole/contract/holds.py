"""Holds, which win over every policy, and the answer to "why is it kept"."""

from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from pinhole.contract.cid import Cid
from pinhole.contract.dry_runs import By
from pinhole.contract.message import Instant, Message
from pinhole.contract.policies import Selection, Sentence

MAX_HOLD_CIDS: Final = 10_000


class HoldKind(StrEnum):
    """Why something must stay."""

    LEGAL = "legal"
    CASE = "case"


class HoldRequest(Message):
    """Keep these, whatever policies, quotas or requests say, until the hold is lifted."""

    kind: HoldKind
    reason: Sentence
    cids: Annotated[list[Cid], Field(min_length=1, max_length=MAX_HOLD_CIDS)] | None = None
    where: Selection | None = None
    """Also of what comes later; between the instants, where they are given."""
    captured_from: Instant | None = None
    captured_to: Instant | None = None
    by: By | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if (self.cids is None) == (self.where is None):
            raise ValueError("a hold names cids, or says where: one of the two")
        times = (self.captured_from, self.captured_to)
        if self.where is None and times != (None, None):
            raise ValueError("captured_from and captured_to go with where")
        if self.where == Selection() and times == (None, None):
            raise ValueError("a hold on everything: name a site, a camera or a time at least")
        if None not in times and times[0] >= times[1]:  # type: ignore[operator]
            raise ValueError("captured_from lies before captured_to")
        return self


class LiftRequest(Message):
    """End a hold."""

    reason: Sentence
    by: By | None = None


class Hold(Message):
    """A hold as it stands."""

    hold: str
    kind: HoldKind
    reason: str
    created_at: Instant
    created_by: str
    cids: int
    where: Selection | None = None
    captured_from: Instant | None = None
    captured_to: Instant | None = None
    pins: int | None = None
    """How many pins it holds now; told where the hold was just made or asked for alone."""
    lifted_at: Instant | None = None
    lifted_by: str | None = None
    lifted_because: str | None = None


class Holds(Message):
    """Holds, newest first."""

    holds: list[Hold]


class WhyPin(Message):
    """Why one pin is kept, or since when it may go."""

    requestid: str
    owner: str
    name: str | None = None
    status: str
    received_at: Instant
    kept: bool
    policy: str | None = None
    """The rule that decides; none: no policy is about it, and it stays for ever."""
    until: Instant | None = None
    """None: for ever, or for as long as the rule counts it among those it keeps."""
    archive_at: Instant | None = None
    holds: list[str] = []
    because: str
    """The same as a sentence."""


class Departed(Message):
    """A pin that a policy removed."""

    owner: str
    policy: str
    version: int
    removed_at: Instant


class Why(Message):
    """Whether a block is kept, and why."""

    cid: Cid
    kept: bool
    at_hub: bool
    """Whether the ledger has the block as held."""
    size_bytes: int | None = None
    policies_version: int
    enforced: bool
    pins: list[WhyPin]
    departed: list[Departed] = []
