"""How fast an import goes and when it will be done."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from pinning.importing.importer import Step
from pinning.importing.journal import Counts
from pinning.importing.walking import share_before

WINDOW_S: Final = 30.0
"""The rate is that of so many seconds: an outage an hour ago says nothing of the rest."""


@dataclass
class Progress:
    """Counts, rate and what is left, fed with each step."""

    counts: Counts
    share: float = 0.0
    """Which part of the tree is behind, 0 to 1."""
    clock: Callable[[], float] = time.monotonic
    _points: deque[tuple[float, int, int, float]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._mark()

    def add(self, step: Step) -> None:
        """Take a step into account."""
        self.counts += step.counts
        self.share = max(self.share, share_before(step.place) or 0.0)
        self._mark()

    def _mark(self) -> None:
        now = self.clock()
        self._points.append((now, self.counts.files, self.counts.bytes, self.share))
        while now - self._points[0][0] > WINDOW_S and len(self._points) > 2:  # noqa: PLR2004
            self._points.popleft()

    def _gone(self) -> tuple[float, int, int, float]:
        first, last = self._points[0], self._points[-1]
        # To now, not to the last step: while nothing comes, the rate sinks.
        seconds = max(self.clock() - first[0], 1e-9)
        return seconds, last[1] - first[1], last[2] - first[2], last[3] - first[3]

    @property
    def files_per_s(self) -> float:
        """Files settled a second, lately."""
        seconds, files, _, _ = self._gone()
        return files / seconds

    @property
    def bytes_per_s(self) -> float:
        """New bytes a second, lately."""
        seconds, _, size_bytes, _ = self._gone()
        return size_bytes / seconds

    @property
    def left_s(self) -> float | None:
        """Seconds until the end at this rate; None before one can say."""
        seconds, _, _, share = self._gone()
        return (1 - self.share) * seconds / share if share > 0 else None

    def line(self) -> str:
        """Return all of it for people."""
        left = f", {duration(self.left_s)} left" if self.left_s is not None else ""
        return (
            f"{self.share:6.1%}  {self.counts.files:,} files ({self.counts.skipped:,} skipped)  "
            f"{self.files_per_s:,.0f}/s  {self.bytes_per_s / 1e6:,.1f} MB/s{left}"
        )


def duration(seconds: float) -> str:
    """Return a time for people: 45 s, 12 min, 3 h 05 min."""
    minutes, hours = round(seconds / 60), int(seconds // 3600)
    if seconds < 90:  # noqa: PLR2004 - a minute and a half
        return f"{seconds:.0f} s"
    return f"{minutes} min" if not hours else f"{minutes // 60} h {minutes % 60:02} min"
