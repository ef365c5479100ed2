"""How long to wait before the next try."""

import random
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """Exponential pauses with full jitter: cameras that lost one hub do not return at once.

    The n-th pause is uniform in (0, min(max_s, first_s * 2^n)), or what the other side asked for
    if that is longer. Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    first_s: float = 0.5
    max_s: float = 30.0
    _failures: int = field(default=0, init=False)

    def pause_s(self, at_least_s: float = 0.0) -> float:
        """Return the seconds to wait after one more failure."""
        ceiling_s = min(self.max_s, self.first_s * 2 ** min(self._failures, 30))
        self._failures += 1
        return max(at_least_s, random.uniform(ceiling_s / 10, ceiling_s))  # noqa: S311 - no secret

    def succeeded(self) -> None:
        """Begin anew with short pauses."""
        self._failures = 0

    @property
    def failures(self) -> int:
        """How many failures there were since the last success."""
        return self._failures
