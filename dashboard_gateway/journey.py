"""One frame's journey through the centre: pin, infer, record.

Each step is idempotent and says in the database what it did, so whoever is interrupted anywhere
just begins anew: what is done already is not done again.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from dashboard_gateway.states import AnalysisState, BytesState
from pinhole.contract.cid import Cid
from pinhole.contract.detection import InferenceAnswer
from pinhole.contract.owners import Owner


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame as its journey begins."""

    frame_id: int
    camera_id: int
    owner: Owner
    """Whose bytes they must be."""
    cid: Cid
    size_bytes: int | None
    event_id: UUID
    captured_at: datetime
    received_at: datetime
    bytes_state: BytesState
    analysis_state: AnalysisState
    pin_attempts: int
    analysis_attempts: int


class Later(Exception):
    """The step came to nothing for now; the journey goes on after `delay_s`."""

    def __init__(self, delay_s: float, reason: str) -> None:
        super().__init__(reason)
        self.delay_s = delay_s


class NoRoom(Exception):
    """The detector has more than enough to do; the frame waits in PostgreSQL."""


class Ended(Exception):
    """The journey ends here; the frame's row says how and why."""


class Steps(Protocol):
    """What a journey consists of. Each step may raise Later or Ended."""

    async def pin(self, frame: Frame) -> None:
        """Return when the hub holds the frame's bytes, which came from their owner."""

    async def infer(self, frame: Frame) -> InferenceAnswer:
        """Return what is in the picture; raises NoRoom as well."""

    async def record(self, frame: Frame, answer: InferenceAnswer) -> None:
        """Write down what is in the picture, once."""


async def journey(frame: Frame, steps: Steps) -> None:
    """Take a frame as far as it can go now.

    Raises:
        Later, NoRoom: it goes on another time.
        Ended: it has come to another end than detections.
    """
    if frame.bytes_state in (BytesState.AWAITED, BytesState.MISSING):
        await steps.pin(frame)
    if frame.analysis_state is AnalysisState.WAITING:
        answer = await steps.infer(frame)
        await steps.record(frame, answer)
