"""What is reconciled every night."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Nightly:
    """The run of every night, and what holds for the others too."""

    hour: int | None
    """UTC; None: never."""
    repair: bool
    max_share: float
    sample_blocks: int
    orphan_grace: timedelta
    """How long an orphan has to be known before it may be removed."""
