"""Pace: how many blocks one call to Kubo may name, so that nobody waits long behind it."""

from typing import Final

# An add waits for the unpinning that is under way and for one that may stand before it in Kubo's
# queue: twice this, and 10 ms of its own, stay below the 50 ms that no add may wait.
LONGEST_CALL_S: Final = 0.018
SMALLEST: Final = 4
LARGEST: Final = 64
_FIRST: Final = 12  # about 1 ms each (kubo.md)


class Pace:
    """Sizes the next call by how long the last ones took.

    A call's time includes what it waited for others, so that several releasers of one node share
    it, and a slow disk gets smaller batches.
    """

    def __init__(self) -> None:
        self._size = float(_FIRST)

    @property
    def size(self) -> int:
        """Most blocks in the next call."""
        return int(self._size)

    def took(self, blocks: int, seconds: float) -> None:
        """Learn from a call: at once to a smaller size, step by step to a larger one."""
        fitting = blocks * LONGEST_CALL_S / max(seconds, 1e-6)
        grown = self._size + 1 if blocks >= self.size else self._size
        self._size = min(max(min(fitting, grown), SMALLEST), LARGEST)
