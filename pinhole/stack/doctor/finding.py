"""One thing that is wrong with a node."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is."""

    DANGEROUS = "dangerous"
    """Frames, keys or time can be lost, or reach whom they should not."""
    DIFFERENT = "different"
    """Not as the profile has it; it may be meant so."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A difference between a node and its profile."""

    severity: Severity
    what: str
    """The setting by Kubo's name for it, or a word for what has none."""
    sentence: str
    mend: str
    """The command that puts it right."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What is said of one node."""

    name: str
    rpc_url: str
    findings: Sequence[Finding]
    not_checked: Sequence[str]
    """What could not be seen, as sentences."""

    @property
    def is_dangerous(self) -> bool:
        """Whether anything has to be mended."""
        return any(finding.severity is Severity.DANGEROUS for finding in self.findings)
