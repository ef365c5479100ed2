"""How the camera is, in one place: for `/status`, for the gauges, for the heartbeat."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from camera_uploader.capture import Capture
from camera_uploader.clock import HubClock
from camera_uploader.frame import Mark, printable
from camera_uploader.identity import Identity
from camera_uploader.metrics import CLOCK_OFFSET, SPOOL
from camera_uploader.receipts import Receipts
from camera_uploader.sources.source import Source
from camera_uploader.spool.spool import Spool
from camera_uploader.workers import Part

_LISTED = 20


class Report:
    """Asks the parts; holds nothing of its own."""

    def __init__(
        self,
        *,
        spool: Spool,
        identity: Identity,
        clock: HubClock,
        receipts: Receipts,
        source: Source,
        capture: Capture,
        parts: Callable[[], Mapping[str, Part]],
    ) -> None:
        self._spool, self._identity, self._clock = spool, identity, clock
        self._receipts, self._source, self._capture = receipts, source, capture
        self._parts = parts

    def states(self) -> dict[str, str]:
        """Return each part's state in one line, and an alarm about the hub where there is one."""
        states = {name: part.state for name, part in self._parts().items()}
        if self._receipts.alarm is not None:
            states["alarm"] = self._receipts.alarm
        return states

    def status(self) -> dict[str, Any]:
        """Return everything a person wants to know, ready for JSON; sets the gauges on the way."""
        counts = self._spool.events.counts()
        for state in ("unsent", "sent", "rejected", "wanted"):
            SPOOL.labels(state).set(getattr(counts, state))
        CLOCK_OFFSET.set((self._clock.offset_ms or 0) / 1000)
        return {
            "camera": self._identity.source,
            "public_key": str(self._identity.signer.public),
            "stream": str(self._spool.stream),
            "source": self._source.name,
            "last_capture_at": self._capture.last_shot_at,
            "clock_offset_ms": self._clock.offset_ms,
            "spool": asdict(counts),
            "parts": self.states(),
            "rejected": [
                {"seq": event.seq, "cid": str(event.cid), "reason": event.reason}
                | {"details": event.details}
                for event in self._spool.events.rejected(_LISTED)
            ],
            "refused": [
                {"item": _item(refusal.mark), "reason": refusal.reason}
                | {"details": refusal.details, "at": refusal.at}
                for refusal in self._spool.items.refusals(_LISTED)
            ],
        }


def _item(mark: Mark | None) -> str | None:
    return None if mark is None else printable(mark.item)
