"""Keeping: verified bytes are put, pinned and written down, under the lock, many at a time."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from pinhole.contract.cid import Cid
from pinhole.contract.errors import PinholeError
from pinhole.runtime.kubo import KuboError
from pinhole.runtime.postgres import AWAY, Connection, Pool
from pinhole.runtime.tasks import Pulse
from pinning import ledger
from pinning.hub import Hub, not_kept
from pinning.ledger import Standing
from pinning.locks import locked
from pinning.metrics import KEEP_BATCH, KEEP_SECONDS
from pinning.wants import Arrival, NotKept, Reason, Want

LANES: Final = 2
"""Batches in progress at once: while one waits for Kubo, another's transaction commits."""

_IDLE_BEAT_S: Final = 1.0


@dataclass(frozen=True)
class Kept:
    """The bytes are pinned for their owner."""

    duplicate: bool
    """Whether this owner's bytes were here before; nothing is said of other owners."""


@dataclass
class _Waiting:
    arrival: Arrival
    since: float = field(default_factory=time.perf_counter)
    answer: "asyncio.Future[Kept]" = field(default_factory=asyncio.Future)


class Keeper:
    """Keeps what arrives in batches that grow with the load: alone when idle, 32 when busy."""

    def __init__(self, pool: Pool, hub: Hub, *, batch: int) -> None:
        self._pool = pool
        self._hub = hub
        self._batch = batch
        self._waiting: deque[_Waiting] = deque()
        self._more = asyncio.Event()

    async def keep(self, arrival: Arrival) -> Kept:
        """Return once `arrival` is put, pinned and committed.

        Raises:
            NotKept: erased, no longer wanted, or the hub or PostgreSQL failed (retryable).
        """
        waiting = _Waiting(arrival)
        if arrival.want.cid.is_frame:
            self._waiting.append(waiting)
            self._more.set()
        else:
            await self._keep_batch([waiting])
        kept = await waiting.answer
        KEEP_SECONDS.observe(time.perf_counter() - waiting.since)
        return kept

    async def run_lane(self, pulse: Pulse) -> None:
        """Keep one batch after the other, for ever."""
        while True:
            pulse.beat()
            if not self._waiting:
                self._more.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_IDLE_BEAT_S):
                        await self._more.wait()
                continue
            size = min(self._batch, len(self._waiting))
            await self._keep_batch([self._waiting.popleft() for _ in range(size)])

    async def _keep_batch(self, batch: Sequence[_Waiting]) -> None:
        arrivals = {waiting.arrival.want: waiting.arrival for waiting in batch}
        KEEP_BATCH.observe(len(arrivals))
        cids = [want.cid for want in arrivals]
        try:
            async with self._pool.acquire() as connection, locked(connection, cids):
                answers = await self._record(connection, arrivals)
                # Committed: nobody has to wait for the unlocking.
                _answer(batch, answers)
        except (*AWAY, PinholeError) as error:
            problem = NotKept(Reason.HUB_UNAVAILABLE, f"not recorded: {error}", retryable=True)
            _answer(batch, dict.fromkeys(arrivals, problem))
        except Exception as error:
            # A fault of ours: nobody waits for ever, and the supervisor shows it.
            problem = NotKept(Reason.HUB_UNAVAILABLE, f"not recorded: {error!r}", retryable=True)
            _answer(batch, dict.fromkeys(arrivals, problem))
            raise

    async def _record(
        self, connection: Connection, arrivals: Mapping[Want, Arrival]
    ) -> dict[Want, Kept | NotKept]:
        """Put, pin and write down what may be kept, under the locks."""
        wants = list(arrivals)
        standings = dict(zip(wants, await ledger.read(connection, wants), strict=True))
        answers = {want: _verdict(arrivals[want], standings[want]) for want in wants}
        good = [arrivals[want] for want in wants if isinstance(answers[want], Kept)]
        failed = await self._store({a.want.cid: a for a in good if not standings[a.want].held})
        for arrival in good:
            if error := failed.get(arrival.want.cid):
                answers[arrival.want] = not_kept(error)
        kept = [arrival for arrival in good if arrival.want.cid not in failed]
        if kept:
            await ledger.record(connection, kept)
        return answers

    async def _store(self, arrivals: Mapping[Cid, Arrival]) -> dict[Cid, PinholeError]:
        blocks = {cid: a.data for cid, a in arrivals.items() if cid.is_frame and a.data is not None}
        failed = await self._hub.put_and_pin(blocks) if blocks else {}
        for cid, arrival in arrivals.items():
            if not cid.is_frame and (error := await self._store_tree(cid, arrival.data)):
                failed[cid] = error
        return failed

    async def _store_tree(self, root: Cid, data: bytes | None) -> PinholeError | None:
        try:
            if data is None:
                await self._hub.pin_tree(root)
            elif (stored := await self._hub.add_tree(data)) != root:
                return KuboError(f"Kubo stored the tree {root} as {stored}")
        except PinholeError as error:
            return error
        return None


def _verdict(arrival: Arrival, standing: Standing) -> Kept | NotKept:
    if standing.erased:
        return NotKept(Reason.ERASED, f"{arrival.want.cid} was erased and is not taken again")
    if arrival.expires_after_s is None and not standing.wanted:
        # Whoever asks for it anew meanwhile has it tried again.
        return NotKept(
            Reason.NO_LONGER_WANTED,
            "its pins were deleted meanwhile",
            retryable=True,
            tried=False,
        )
    return Kept(duplicate=standing.bound)


def _answer(batch: Sequence[_Waiting], answers: Mapping[Want, Kept | NotKept]) -> None:
    answered: set[Want] = set()
    for waiting in batch:
        if waiting.answer.done():
            continue  # whoever asked has gone, or it was answered before the unlocking failed
        want = waiting.arrival.want
        answer = answers[want]
        if isinstance(answer, NotKept):
            waiting.answer.set_exception(answer)
        else:
            # A second arrival of the same want is a duplicate of the first.
            waiting.answer.set_result(Kept(answer.duplicate or want in answered))
        answered.add(want)
