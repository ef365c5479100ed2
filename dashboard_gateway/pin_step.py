"""The journey's first step: the bytes come to the hub.

What pinning cannot get is `missing` at once, so that the camera hears of it with its next answer
and pushes the bytes; meanwhile pinning is asked again, less and less often.
"""

from collections.abc import Sequence
from typing import Final

from dashboard_gateway.backoff import OUTAGE_LONGEST_S, delay_s
from dashboard_gateway.clients import PinningClient, RequestRefused
from dashboard_gateway.coalesce import Coalescer
from dashboard_gateway.journey import Ended, Frame, Later
from dashboard_gateway.records import Pinned, PutOff, Records, Unusable
from dashboard_gateway.states import BytesState
from dashboard_gateway.texts import storable
from pinhole.contract.errors import NotFound
from pinhole.contract.owners import Owner
from pinhole.contract.pins import BatchPin, BatchPinResult, Status

MAX_PINS: Final = 64
_CALLS_AT_ONCE: Final = 4
"""Calls for one camera: a slow block holds up only those of its own call."""

# Pinning's reasons, by what they mean for the frame.
_NOT_AS_PROMISED: Final = frozenset({"HASH_MISMATCH", "TOO_LARGE", "CID_CODEC", "BAD_TREE"})
_ERASED: Final = "ERASED"
_NOT_THE_CAMERAS_FAULT: Final = frozenset({"HUB_UNAVAILABLE", None})
"""The bytes may be on their way: a push would help nobody."""


class PinStep:
    """Has frames pinned, those of one owner in common calls."""

    def __init__(
        self, pinning: PinningClient, records: Records, *, wait_s: float, attempts: int
    ) -> None:
        self._pinning = pinning
        self._records = records
        self._wait_s = wait_s
        self._attempts = attempts
        self._owners: dict[Owner, Coalescer[Frame, BatchPinResult]] = {}

    async def pin(self, frame: Frame) -> None:
        """Return when the frame is pinned and recorded as such.

        Raises:
            Later: not yet; the row says why.
            Ended: never, or only a push or a person can help; the row says why.
            NeighbourUnavailable: pinning is away.
        """
        result = await self._ask(frame)
        if result.status is Status.PINNED:
            await self._records.write(Pinned(frame.frame_id))
        elif result.status is Status.FAILED and result.reason in _NOT_AS_PROMISED:
            await self._give_up(frame, BytesState.INVALID, result)
        elif result.status is Status.FAILED and result.reason == _ERASED:
            await self._give_up(frame, BytesState.ERASED, result)
        else:
            await self._put_off(frame, result)

    async def _ask(self, frame: Frame) -> BatchPinResult:
        coalescer = self._owners.get(frame.owner)
        if coalescer is None:
            self._forget_idle()
            coalescer = Coalescer(self._call, most=MAX_PINS, at_once=_CALLS_AT_ONCE)
            self._owners[frame.owner] = coalescer
        return await coalescer.submit(frame)

    def _forget_idle(self) -> None:
        for owner in [owner for owner, coalescer in self._owners.items() if coalescer.is_idle]:
            del self._owners[owner]

    async def _call(self, frames: Sequence[Frame]) -> list[BatchPinResult]:
        pins = [_pin(frame) for frame in frames]
        try:
            return await self._pinning.pin(frames[0].owner, pins, wait_s=self._wait_s)
        except (RequestRefused, NotFound) as error:
            if len(frames) > 1:
                # One of them is at fault: alone, only it is refused.
                return [result for frame in frames for result in await self._call([frame])]
            refused = BatchPinResult(
                cid=frames[0].cid,
                requestid="",
                status=Status.FAILED,
                reason=error.reason,
                details=error.details,
            )
            return [refused]

    async def _give_up(self, frame: Frame, state: BytesState, result: BatchPinResult) -> None:
        reason, details = result.reason or state.upper(), storable(result.details or "")
        await self._records.write(Unusable(frame.frame_id, state, reason, details))
        raise Ended(reason)

    async def _put_off(self, frame: Frame, result: BatchPinResult) -> None:
        if result.reason == "HUB_UNAVAILABLE":
            # Not counted: nothing is wrong with the frame.
            raise Later(delay_s(1, longest_s=OUTAGE_LONGEST_S), result.reason)
        attempts = frame.pin_attempts + 1
        is_last = attempts >= self._attempts
        reason = result.reason or "STILL_COMING"
        missing = is_last or result.reason not in _NOT_THE_CAMERAS_FAULT
        details = storable(result.details or f"not here after {attempts} attempts")
        await self._records.write(PutOff(frame.frame_id, missing, attempts, reason, details))
        if is_last:
            raise Ended(reason)
        raise Later(delay_s(attempts), reason)


def _pin(frame: Frame) -> BatchPin:
    return BatchPin(
        cid=frame.cid,
        name=f"frame-{frame.frame_id}",
        size_bytes=frame.size_bytes,
        meta={
            "event_id": str(frame.event_id),
            "kind": "frame",
            "captured_at": frame.captured_at.isoformat(),
            "uploaded_at": frame.received_at.isoformat(),
        },
    )
