"""Attempts: fetch, keep, or put off. One attempt at a time for each want, whoever asks."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Collection, Container, Coroutine
from typing import Final

from pinhole.runtime.postgres import AWAY, Pool
from pinning import ledger, schedule
from pinning.fetch import Fetcher
from pinning.hub import Hub
from pinning.keeper import Keeper
from pinning.locks import lock
from pinning.metrics import ATTEMPTS
from pinning.pressure import HubFull, Pressure
from pinning.schedule import RetryPolicy
from pinning.wants import PINNED, NotKept, Outcome, Reason, Want

logger = logging.getLogger(__name__)

# Not counted, so without end; a probe every 2 s finds the hub back.
_HUB_RETRY: Final = RetryPolicy(max_attempts=1_000_000, first_s=4, longest_s=4)


class Attempts:
    """Runs attempts in this process and tells those who wait for a want how it ended."""

    def __init__(
        self,
        pool: Pool,
        hub: Hub,
        fetcher: Fetcher,
        keeper: Keeper,
        pressure: Pressure,
        *,
        at_once: int,
        policy: RetryPolicy,
    ) -> None:
        self._pool = pool
        self._hub = hub
        self._fetcher = fetcher
        self._keeper = keeper
        self._pressure = pressure
        # From fetch to commit: bounds the blocks in memory.
        self._slots = asyncio.Semaphore(at_once)
        self._client_slots = asyncio.Semaphore(at_once)
        self._policy = policy
        self._running: dict[Want, asyncio.Task[None]] = {}
        self._again: set[Want] = set()
        self._watchers: defaultdict[Want, set[asyncio.Future[Outcome]]] = defaultdict(set)

    @property
    def running(self) -> int:
        """How many wants are being attempted."""
        return len(self._running)

    def begin(self, want: Want) -> None:
        """Attempt `want`, whose pins are written, now or after the attempt that is going on."""
        if want in self._running:
            # Its end may have been written before the caller's pin was there.
            self._again.add(want)
        else:
            self._start(want, self._attempt(want))

    def begin_early(self, want: Want, written: Awaitable[Container[Want]]) -> bool:
        """Attempt `want` while its pins are being written; return whether this call began it.

        Nothing is kept before `written` returns, and only what it contains.
        """
        if want in self._running:
            return False
        self._start(want, self._attempt(want, written))
        return True

    def _start(self, want: Want, attempt: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(attempt)
        self._running[want] = task
        task.add_done_callback(lambda done: self._ended(want, done))

    def _ended(self, want: Want, task: asyncio.Task[None]) -> None:
        del self._running[want]
        if want in self._again:
            self._again.discard(want)
            if not task.cancelled():
                self._start(want, self._look_again(want))

    def watch(self, want: Want) -> "asyncio.Future[Outcome]":
        """Return a future of the outcome that settles `want`; cancel it to stop watching."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        watchers = self._watchers[want]
        watchers.add(future)
        future.add_done_callback(lambda done: self._unwatch(want, done))
        return future

    def tell(self, want: Want, outcome: Outcome) -> None:
        """Tell all who watch `want` that it is settled."""
        for future in list(self._watchers.get(want, ())):
            if not future.done():
                future.set_result(outcome)

    def _unwatch(self, want: Want, future: "asyncio.Future[Outcome]") -> None:
        watchers = self._watchers[want]
        watchers.discard(future)
        if not watchers:
            del self._watchers[want]

    async def claim(self, wants: Collection[Want]) -> set[Want]:
        """Settle the pins of those `wants` whose bytes came from their owner before."""
        async with self._pool.acquire() as connection, connection.transaction():
            await lock(connection, [want.cid for want in wants])
            return await ledger.claim(connection, wants)

    async def stop(self) -> None:
        """Cancel what is running: its rows say what is left to do."""
        self._again.clear()
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_again(self, want: Want) -> None:
        """Settle the pins that an attempt overlooked, or attempt their want anew."""
        try:
            bound = await self.claim([want])
        except AWAY as error:
            logger.warning("%s of %s: %s: %s", want.cid, want.owner, type(error).__name__, error)
            return
        if bound:
            self.tell(want, PINNED)
        else:
            await self._attempt(want)

    async def _attempt(self, want: Want, written: Awaitable[Container[Want]] | None = None) -> None:
        try:
            outcome = await self._outcome(want, written)
        except AWAY as error:
            # The row could not be written: its lease ends, then a worker takes it up.
            logger.warning("%s of %s: %s: %s", want.cid, want.owner, type(error).__name__, error)
            return
        except Exception:
            logger.exception("the attempt at %s of %s failed", want.cid, want.owner)
            return
        ATTEMPTS.labels(outcome.reason or outcome.status).inc()
        if outcome.is_settled:
            self.tell(want, outcome)

    async def _outcome(self, want: Want, written: Awaitable[Container[Want]] | None) -> Outcome:
        try:
            await self._fetch_and_keep(want, written)
        except NotKept as why:
            if written is not None:
                await asyncio.shield(written)
            # The owner may have pushed the bytes meanwhile.
            if await self.claim([want]):
                return PINNED
            hub_is_out = why.reason in (Reason.HUB_UNAVAILABLE, Reason.HUB_FULL)
            return await schedule.put_off(
                self._pool, want, why, _HUB_RETRY if hub_is_out else self._policy
            )
        return PINNED

    async def _fetch_and_keep(self, want: Want, written: Awaitable[Container[Want]] | None) -> None:
        if not self._hub.is_up:
            raise NotKept(Reason.HUB_UNAVAILABLE, "the hub's Kubo is down", retryable=True)
        try:
            self._pressure.check(want.owner)
        except HubFull as full:
            raise NotKept(Reason.HUB_FULL, full.details, retryable=True, tried=False) from full
        is_camera = want.owner.as_camera is not None
        async with self._slots if is_camera else self._client_slots:
            arrival = await self._fetcher.fetch(want)
            if written is None or want in await asyncio.shield(written):
                await self._keeper.keep(arrival)
