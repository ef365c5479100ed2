"""Reconciling: what a run is asked to do, and what it found."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field

from pinhole.contract.cid import Cid
from pinhole.contract.message import Instant, Message


class RunState(StrEnum):
    """How far a run is."""

    REQUESTED = "requested"
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    """More differs than the share that may: nothing was touched."""
    FAILED = "failed"


class Phase(StrEnum):
    """What a running run is at."""

    LISTING = "listing"
    COMPARING = "comparing"
    MENDING = "mending"
    SAMPLING = "sampling"


class Difference(StrEnum):
    """How a node differs from the ledger."""

    MISSING = "missing"
    """The ledger keeps the block; the node does not have it."""
    UNPINNED = "unpinned"
    """The node has the block without its pin."""
    ROTTEN = "rotten"
    """The node's bytes do not hash to the CID."""
    ORPHAN_PIN = "orphan_pin"
    """The node has a pin that the ledger does not know."""
    ORPHAN_BLOCK = "orphan_block"
    """The node has a block that neither the ledger nor a pin knows."""


class FindingState(StrEnum):
    """What became of a difference."""

    SEEN = "seen"
    GONE = "gone"
    """It was no longer so when it was looked at under its lock."""
    CONFIRMED = "confirmed"
    REPAIRED = "repaired"
    REMOVED = "removed"
    FAILED = "failed"


class ReconcileRequest(Message):
    """What a run may do beside looking."""

    repair: bool = False
    remove_orphans: bool = False
    max_share: float | None = Field(default=None, ge=0, le=1)
    """Share of the blocks that may differ; beyond it nothing is touched. None: the setting."""
    sample_blocks: int | None = Field(default=None, ge=0, le=10_000_000)
    """Blocks whose bytes are hashed. None: the setting."""


class Finding(Message):
    """One difference."""

    cid: Cid
    kind: Difference
    state: FindingState
    details: str | None = None


class Reconciliation(Message):
    """One run: how far it is, or how it ended."""

    run_id: UUID
    state: RunState
    phase: Phase
    done: int
    total: int
    """Of the phase."""
    repair: bool
    remove_orphans: bool
    max_share: float
    requested_by: str
    requested_at: Instant
    finished_at: Instant | None = None
    held_blocks: int | None = None
    """What the ledger keeps."""
    node_pins: int | None = None
    node_blocks: int | None = None
    foreign_cids: int | None = None
    """What the node lists under hashes or codecs that are none of ours."""
    sampled_blocks: int = 0
    counts: dict[Difference, dict[FindingState, int]] = Field(default_factory=dict)
    examples: list[Finding] = Field(default_factory=list)
    """Of what still differs, at most 20."""
    details: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether it ended, well or not."""
        return self.state not in (RunState.REQUESTED, RunState.RUNNING)

    @property
    def still_differ(self) -> int:
        """How many blocks of the ledger's the node does not hold as it should, after the run."""
        kinds = (Difference.MISSING, Difference.UNPINNED, Difference.ROTTEN)
        states = (FindingState.SEEN, FindingState.CONFIRMED, FindingState.FAILED)
        return sum(self.counts.get(kind, {}).get(state, 0) for kind in kinds for state in states)
