"""One measured number: what it is, what it stands beside, what it has to reach."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Sense(StrEnum):
    """Which side of the limit is good."""

    AT_LEAST = "≥"
    AT_MOST = "≤"


@dataclass(frozen=True)
class Budget:
    """A limit on the value itself, or on its ratio to the figure that it stands beside."""

    sense: Sense
    limit: float
    of_ratio: bool = False

    def met_by(self, figure: "Figure") -> bool:
        """Whether `figure` is on the good side."""
        measured = figure.ratio if self.of_ratio else figure.value
        if measured is None:
            return False
        if self.sense is Sense.AT_LEAST:
            return measured >= self.limit
        return measured <= self.limit


def at_least(limit: float) -> Budget:
    """Return the budget of a value that should be large."""
    return Budget(Sense.AT_LEAST, limit)


def at_most(limit: float) -> Budget:
    """Return the budget of a value that should be small."""
    return Budget(Sense.AT_MOST, limit)


def ratio_at_least(limit: float) -> Budget:
    """Return the budget of a ratio to what stands beside."""
    return Budget(Sense.AT_LEAST, limit, of_ratio=True)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A row of the report. `beside` is a floor or a peer, measured in the same run."""

    name: str
    value: float
    unit: str
    source: str
    """From where to where it was measured, and what makes the number."""
    beside: "Figure | None" = None
    budgets: Sequence[Budget] = ()
    details: dict[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """This value divided by that of what stands beside."""
        if self.beside is None or self.beside.value == 0:
            return None
        return self.value / self.beside.value

    @property
    def met(self) -> bool | None:
        """Whether every budget is met; None where there is none."""
        if not self.budgets:
            return None
        return all(budget.met_by(self) for budget in self.budgets)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value below which `percent` of `values` lie (nearest rank)."""
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def spread(values_s: Sequence[float]) -> dict[str, float]:
    """Return count and percentiles in milliseconds of times in seconds."""
    return {
        "count": len(values_s),
        "p50_ms": round(percentile(values_s, 50) * 1e3, 2),
        "p95_ms": round(percentile(values_s, 95) * 1e3, 2),
        "p99_ms": round(percentile(values_s, 99) * 1e3, 2),
        "max_ms": round(max(values_s, default=float("nan")) * 1e3, 2),
    }
