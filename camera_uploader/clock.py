"""The hub's time, learnt from its answers. Our own clock is never set and never trusted alone."""

from datetime import UTC, datetime, timedelta
from typing import Final

# A change below this is the network's jitter, not worth a write to an SD card.
NOTABLE_MS: Final = 100


class HubClock:
    """The difference between the hub's clock and ours. Any thread may read and teach it."""

    def __init__(self, offset_ms: int | None = None) -> None:
        self._offset_ms = offset_ms

    @property
    def offset_ms(self) -> int | None:
        """The hub's clock less ours, or None while nothing was learnt."""
        return self._offset_ms

    def hub_now(self) -> datetime:
        """Return the hub's time as far as it is known: what a signature's header says."""
        return datetime.now(UTC) + timedelta(milliseconds=self._offset_ms or 0)

    def learn(self, hub_time: datetime, sent_at: datetime, received_at: datetime) -> None:
        """Learn from an answer: the hub's time is that of the middle between these two."""
        middle = sent_at + (received_at - sent_at) / 2
        self._offset_ms = round((hub_time - middle) / timedelta(milliseconds=1))

    def differs(self, remembered_ms: int | None) -> bool:
        """Whether the difference is notably another one than `remembered_ms`."""
        if self._offset_ms is None or remembered_ms is None:
            return self._offset_ms is not remembered_ms
        return abs(self._offset_ms - remembered_ms) >= NOTABLE_MS
