"""The journey's second step: what is in the picture, from the memo or from the detector."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from dashboard_gateway.backoff import delay_s
from dashboard_gateway.clients import BrokeOff, DetectorClient, RequestRefused
from dashboard_gateway.coalesce import Coalescer
from dashboard_gateway.journey import Ended, Frame, Later, NoRoom
from dashboard_gateway.memo import Memo
from dashboard_gateway.records import NotDetected, Records
from dashboard_gateway.states import AnalysisState
from dashboard_gateway.texts import storable
from pinhole.contract.cid import Cid
from pinhole.contract.detection import InferenceAnswer, InferenceFailure
from pinhole.contract.errors import NotFound, PinholeError

MAX_LOOK_UPS = 256
# While one batch is inferred, the next is fetched and decoded.
_CALLS_AT_ONCE = 2
# A frame that may have broken a call off is asked about alone: it then harms nobody else.
_ALONE_AFTER = 2
# The hub has lost bytes that it had: nothing is wrong with the picture itself.
_NOT_THE_PICTURES_FAULT = frozenset({"BLOCK_MISSING", "HASH_MISMATCH", "NOT_FOUND"})

Found = InferenceAnswer | InferenceFailure


class InferStep:
    """Has frames analysed, in common calls."""

    def __init__(
        self,
        detector: DetectorClient,
        memo: Memo,
        records: Records,
        *,
        batch: int,
        attempts: int,
    ) -> None:
        self._detector = detector
        self._memo = memo
        self._records = records
        self._attempts = attempts
        self._look_ups: Coalescer[Cid, InferenceAnswer | None] = Coalescer(
            memo.find, most=MAX_LOOK_UPS
        )
        self._calls: Coalescer[Cid, Found] = Coalescer(
            self._call, most=batch, at_once=_CALLS_AT_ONCE
        )

    async def infer(self, frame: Frame, room: "Room") -> InferenceAnswer:
        """Return what is in the picture.

        Raises:
            NoRoom: the detector has more than enough to do.
            Later: it failed this time; the row says why.
            Ended: it is no picture, or the detector failed too often; the row says why.
            NeighbourUnavailable: the detector is away.
        """
        known = await self._look_ups.submit(frame.cid)
        if known is not None:
            return known
        async with room.taken():
            found = await self._ask(frame)
        if isinstance(found, InferenceAnswer):
            self._memo.learn(found)
            return found
        raise await self._failed(frame, found)

    async def _ask(self, frame: Frame) -> Found:
        try:
            if frame.analysis_attempts >= _ALONE_AFTER:
                (found,) = await self._call([frame.cid])
                return found
            return await self._calls.submit(frame.cid)
        except BrokeOff as error:
            return _failure(frame.cid, error, retryable=True)

    async def _call(self, cids: Sequence[Cid]) -> list[Found]:
        different = list(dict.fromkeys(cids))
        try:
            found = dict(zip(different, await self._detector.infer(different), strict=True))
        except (RequestRefused, NotFound) as error:
            if len(different) > 1:
                # One of them is at fault: alone, only it is refused.
                found = {cid: (await self._call([cid]))[0] for cid in different}
            else:
                found = {different[0]: _failure(different[0], error, retryable=False)}
        return [found[cid] for cid in cids]

    async def _failed(self, frame: Frame, failure: InferenceFailure) -> Exception:
        """Record a failure and return what to raise: try again, or not."""
        attempts = frame.analysis_attempts + 1
        again = failure.retryable and attempts < self._attempts
        if again:
            state = AnalysisState.WAITING
        elif failure.retryable or failure.reason in _NOT_THE_PICTURES_FAULT:
            state = AnalysisState.FAILED
        else:
            state = AnalysisState.INVALID
        reason, details = failure.reason, storable(failure.details)
        await self._records.write(NotDetected(frame.frame_id, state, attempts, reason, details))
        return Later(delay_s(attempts), reason) if again else Ended(reason)


def _failure(cid: Cid, error: PinholeError, *, retryable: bool) -> InferenceFailure:
    return InferenceFailure(
        cid=cid, reason=error.reason, details=error.details, retryable=retryable
    )


class Room:
    """Bounds the frames that wait for the detector."""

    def __init__(self, frames: int, *, wait: bool) -> None:
        """`wait`: whether whoever finds it full waits, or goes away with NoRoom."""
        self._slots = asyncio.Semaphore(frames)
        self._wait = wait

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Hold a place for the length of a `with` block."""
        if not self._wait and self._slots.locked():
            raise NoRoom
        async with self._slots:
            yield
