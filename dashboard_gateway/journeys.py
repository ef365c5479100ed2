"""Journeys of the frames of a job, side by side: what becomes of each decides about the job."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import asyncpg

from dashboard_gateway import queue
from dashboard_gateway.backoff import OUTAGE_LONGEST_S, delay_s
from dashboard_gateway.clients import NeighbourUnavailable
from dashboard_gateway.coalesce import Coalescer
from dashboard_gateway.dispatch_metrics import JOURNEYS, STEP_SECONDS
from dashboard_gateway.infer_step import InferStep, Room
from dashboard_gateway.journey import Ended, Frame, Later, NoRoom, journey
from dashboard_gateway.pin_step import PinStep
from dashboard_gateway.records import Detected, Records
from dashboard_gateway.states import AnalysisState, BytesState
from pinhole.contract.cid import Cid, Codec
from pinhole.contract.detection import InferenceAnswer
from pinhole.contract.owners import Owner
from pinhole.runtime.postgres import OUTAGES, Pool

logger = logging.getLogger(__name__)


class Outcome(StrEnum):
    """How a journey went this time."""

    DONE = "done"
    ENDED = "ended"
    LATER = "later"
    NO_ROOM = "no_room"
    OUTAGE = "outage"
    FAILED = "failed"


@dataclass(frozen=True)
class Went:
    """How one frame's journey went, and when it goes on."""

    outcome: Outcome
    again_after_s: float | None = None


class Journeys:
    """The steps that all journeys of this process share, and the journeys themselves."""

    def __init__(self, pool: Pool, pins: PinStep, inferences: InferStep, records: Records) -> None:
        self._pool = pool
        self._pins = pins
        self._inferences = inferences
        self._records = records
        self._hand_overs: Coalescer[int, None] = Coalescer(
            self._hand_over, most=queue.MAX_FRAMES_IN_A_JOB
        )

    async def go(self, frame_ids: Sequence[int], room: Room, attempt: int) -> float | None:
        """Take frames as far as they can go; return the delay until the rest is tried again.

        Args:
            frame_ids: those at the end of their way already are left alone.
            room: the places at the detector that these frames may take. Those that find none are
                handed to the queue of `ANALYSES`.
            attempt: how often this was tried before, which spaces retries during an outage.
        """
        frames = await load(self._pool, frame_ids)
        if attempt == 0:
            _observe_wait(frames)
        went = await asyncio.gather(*(self._travel(frame, room, attempt) for frame in frames))
        return max((w.again_after_s for w in went if w.again_after_s is not None), default=None)

    async def _travel(self, frame: Frame, room: Room, attempt: int) -> Went:
        went = await self._try(frame, room, attempt)
        JOURNEYS.labels(went.outcome).inc()
        return went

    async def _hand_over(self, frame_ids: Sequence[int]) -> list[None]:
        async with self._pool.acquire() as connection:
            await queue.enqueue_frames(connection, [frame_ids], entrypoint=queue.ANALYSES)
        return [None] * len(frame_ids)

    async def _try(self, frame: Frame, room: Room, attempt: int) -> Went:
        try:
            await journey(frame, _TimedSteps(self, room))
        except Ended:
            return Went(Outcome.ENDED)
        except NoRoom:
            # At once: the others of its job may wait for the detector for long.
            await self._hand_overs.submit(frame.frame_id)
            return Went(Outcome.NO_ROOM)
        except Later as later:
            return Went(Outcome.LATER, later.delay_s)
        except Exception as error:  # noqa: BLE001 - sorted and logged by `_failed`
            return self._failed(frame, error, attempt)
        return Went(Outcome.DONE)

    def _failed(self, frame: Frame, error: Exception, attempt: int) -> Went:
        match error:
            case NeighbourUnavailable():
                longest_s = max(OUTAGE_LONGEST_S, error.retry_after_s)
                return Went(Outcome.OUTAGE, delay_s(attempt + 1, longest_s=longest_s))
            case asyncpg.DeadlockDetectedError():
                # Somebody else writes the same frames (a loss, a chain); by now they have.
                return Went(Outcome.LATER, delay_s(1))
            case _ if isinstance(error, OUTAGES):
                # The lane, which needs PostgreSQL itself, says so once for all.
                return Went(Outcome.OUTAGE, delay_s(attempt + 1, longest_s=OUTAGE_LONGEST_S))
            case _:
                # Unforeseen: it must neither end the other journeys nor be forgotten.
                logger.error("the journey of frame %s failed", frame.frame_id, exc_info=error)
                return Went(Outcome.FAILED, delay_s(attempt + 1))

    async def pin(self, frame: Frame) -> None:
        """Do the first step."""
        await self._pins.pin(frame)

    async def infer(self, frame: Frame, room: Room) -> InferenceAnswer:
        """Do the second step."""
        return await self._inferences.infer(frame, room)

    async def record(self, frame: Frame, answer: InferenceAnswer) -> None:
        """Do the last step."""
        await self._records.write(Detected(frame.frame_id, frame.cid, answer))


class _TimedSteps:
    """The steps of one frame, each timed."""

    def __init__(self, journeys: Journeys, room: Room) -> None:
        self._journeys = journeys
        self._room = room

    async def pin(self, frame: Frame) -> None:
        async with _timed("pin"):
            await self._journeys.pin(frame)

    async def infer(self, frame: Frame) -> InferenceAnswer:
        async with _timed("infer"):
            return await self._journeys.infer(frame, self._room)

    async def record(self, frame: Frame, answer: InferenceAnswer) -> None:
        async with _timed("record"):
            await self._journeys.record(frame, answer)


def _observe_wait(frames: Sequence[Frame]) -> None:
    now = datetime.now(UTC)
    for frame in frames:
        if frame.bytes_state is BytesState.AWAITED:
            STEP_SECONDS.labels("wait").observe((now - frame.received_at).total_seconds())


@asynccontextmanager
async def _timed(step: str) -> AsyncIterator[None]:
    started = time.perf_counter()
    yield
    STEP_SECONDS.labels(step).observe(time.perf_counter() - started)


LOAD = """
    SELECT f.frame_id, f.camera_id, f.owner, c.site, c.name, f.digest, f.codec, f.size_bytes,
        f.event_id, f.captured_at, f.received_at, f.bytes_state, f.analysis_state,
        f.pin_attempts, f.analysis_attempts
    FROM dashboard.frames AS f JOIN dashboard.cameras AS c USING (camera_id)
    WHERE f.frame_id = ANY ($1) AND (
        f.bytes_state IN ('awaited', 'missing')
        OR f.bytes_state IN ('pinned', 'archived') AND f.analysis_state = 'waiting')
"""


async def load(pool: Pool, frame_ids: Sequence[int]) -> list[Frame]:
    """Return those of the frames whose journey is not over."""
    return [_frame(row) for row in await pool.fetch(LOAD, list(frame_ids))]


def _frame(row: asyncpg.Record) -> Frame:
    owner = row["owner"]
    return Frame(
        frame_id=row["frame_id"],
        camera_id=row["camera_id"],
        owner=Owner.parse(owner) if owner else Owner.camera(row["site"], row["name"]),
        cid=Cid(bytes(row["digest"]), Codec(row["codec"])),
        size_bytes=row["size_bytes"],
        event_id=row["event_id"],
        captured_at=row["captured_at"],
        received_at=row["received_at"],
        bytes_state=BytesState(row["bytes_state"]),
        analysis_state=AnalysisState(row["analysis_state"]),
        pin_attempts=row["pin_attempts"],
        analysis_attempts=row["analysis_attempts"],
    )
