"""A lane of the queue: one pgqueuer manager, its jobs in hand, and whether it makes progress.

Several dispatchers share one queue. A job belongs to one of them while its heartbeat is fresh; a
dispatcher that was killed leaves jobs whose heartbeat ages, and another takes them within seconds.
A new job wakes a lane by NOTIFY.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Final

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job, TracebackRecord
from pgqueuer.domain.types import QueueEntrypoint

from dashboard_gateway import queue
from dashboard_gateway.backoff import delay_s
from pinhole.runtime.postgres import AWAY, OUTAGES
from pinhole.runtime.tasks import Pulse

logger = logging.getLogger(__name__)
# One line for every retry is too much while a service is away; the metrics count them.
logging.getLogger("pgqueuer").setLevel(logging.WARNING)

Work = Callable[[list[int], int], Awaitable[float | None]]
"""Does a job, given the ids in it and how often it was tried before.

Returns the seconds after which what is left of it is tried again, or None: it is done.
"""

# NOTIFY wakes at once; this is how long a lost one, or a dead dispatcher's job, goes unnoticed.
_POLL: Final = timedelta(seconds=1)
# A job that came between taking and looking; pgqueuer would leave it for 100 ms.
_LOOK_AGAIN: Final = timedelta(seconds=0.02)
_JOBS_IN_A_DEQUEUE: Final = 16
_CONNECTIONS: Final = 4
_STOP_WITHIN_S: Final = 5.0
_WATCH_EVERY_S: Final = 1.0
# Of a job that fails in a way nobody foresaw: an hour and more. Then it stays in the table.
_MOST_ATTEMPTS: Final = 80


class _Queries(Queries):
    """pgqueuer's statements: patient where PostgreSQL is away, and brief where nothing waits."""

    _due_in: timedelta | None = None

    # The first of each entry point, from the index by due time.
    NEXT = """
        SELECT min(j.execute_after) - now() AS due_in
        FROM unnest($1::text[]) AS e (entrypoint)
        CROSS JOIN LATERAL (
            SELECT execute_after FROM dashboard.pgqueuer
            WHERE entrypoint = e.entrypoint AND status = 'queued'
            ORDER BY execute_after LIMIT 1) AS j
    """

    async def eligible_queued_work(self, entrypoints: list[QueueEntrypoint]) -> int:
        """Return 1 where a job is due, else 0.

        pgqueuer asks three questions each time it finds nothing to take (is any due, when is the
        next, is any queued at all); meanwhile it takes nothing. One look answers all three.
        """
        (row,) = await self.driver.fetch(self.NEXT, entrypoints)
        due_in = row["due_in"]
        self._due_in = due_in if isinstance(due_in, timedelta) else None
        return int(self._due_in is not None and self._due_in <= timedelta(0))

    async def next_deferred_eta(self, entrypoints: list[QueueEntrypoint]) -> timedelta | None:
        """Return what the look before found."""
        del entrypoints
        return self._due_in

    async def queued_work(self, entrypoints: list[QueueEntrypoint]) -> int:
        """Return 0: one look leaves no gap in which a job became due unseen."""
        del entrypoints
        return 0

    async def retry_job(
        self, job: Job, delay: timedelta, traceback_record: TracebackRecord | None
    ) -> None:
        """Put a job back, or leave it where it is.

        pgqueuer would set it aside as failed as soon as PostgreSQL is back. Left alone, its
        heartbeat ages and it is taken again.
        """
        try:
            await super().retry_job(job, delay, traceback_record)
        except AWAY as error:
            logger.info("job %s stays where it is: %s: %s", job.id, type(error).__name__, error)


class Lane:
    """Takes jobs of some entry points and does them, a bounded number at once."""

    def __init__(
        self, dsn: str, works: Mapping[str, Work], *, jobs_at_once: int, stale_after_s: float
    ) -> None:
        self._dsn = dsn
        self._works = works
        self._jobs_at_once = jobs_at_once
        self._stale_after = timedelta(seconds=stale_after_s)
        self._in_hand: set[asyncio.Task[Any]] = set()
        self._finished = 0

    async def run(self, pulse: Pulse) -> None:
        """Work until PostgreSQL is lost; the supervisor runs it again.

        If cancelled, jobs in hand go back into the queue, where others see them at once.
        """
        # A pool of its own: pgqueuer reads and writes jsonb as text, all others as values.
        pool = await asyncpg.create_pool(
            self._dsn, min_size=1, max_size=_CONNECTIONS, command_timeout=_STOP_WITHIN_S * 2
        )
        manager = self._manager(pool)
        working = asyncio.create_task(self._work(manager))
        watching = asyncio.create_task(self._watch(pool, pulse))
        try:
            done, _ = await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            watching.cancel()
            await self._stop(manager, working)
            pool.terminate()

    async def _work(self, manager: QueueManager) -> None:
        # pgqueuer starts its first probe of the listener beside the LISTEN itself; a probe that
        # wins is never heard and ends the run after 10 s (seen at every start of a loaded
        # machine). Once this connection listens, pgqueuer's own LISTEN needs no round trip.
        await manager.queries.driver.add_listener(queue.SETTINGS.channel, _ignore)
        await manager.run(
            dequeue_timeout=_POLL,
            batch_size=min(_JOBS_IN_A_DEQUEUE, self._jobs_at_once // 2),
            max_concurrent_tasks=self._jobs_at_once,
            shutdown_on_listener_failure=True,
            heartbeat_timeout=self._stale_after,
            log_aggregation_interval=timedelta(0),
        )

    async def _stop(self, manager: QueueManager, working: "asyncio.Task[None]") -> None:
        manager.shutdown.set()
        for job in list(self._in_hand):
            job.cancel()
        _, late = await asyncio.wait({working}, timeout=_STOP_WITHIN_S)
        if late:
            working.cancel()
            await asyncio.wait(late, timeout=_STOP_WITHIN_S)
        if working.done() and not working.cancelled() and (error := working.exception()):
            # What `run` raises, where anything failed, is told by the supervisor.
            logger.debug("the lane stopped with %r", error)

    def _manager(self, pool: "asyncpg.Pool[asyncpg.Record]") -> QueueManager:
        queries = _Queries(
            AsyncpgPoolDriver(pool),
            qbe=QueryBuilderEnvironment(queue.SETTINGS),
            qbq=QueryQueueBuilder(queue.SETTINGS),
        )
        manager = QueueManager(queries, channel=queue.SETTINGS.channel)
        manager.min_dequeue_poll_interval = _LOOK_AGAIN
        for name, work in self._works.items():
            # "hold": pgqueuer deletes no job but a successful one.
            register = manager.entrypoint(name, accepts_context=False, on_failure="hold")
            register(self._doing(work, manager.shutdown))
        return manager

    def _doing(self, work: Work, stops: asyncio.Event) -> Callable[[Job], Awaitable[None]]:
        async def do(job: Job) -> None:
            if stops.is_set():
                # Taken while the lane was told to stop: nobody would cancel it.
                raise RetryRequested(reason="the dispatcher stops")
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - pgqueuer runs each job in a task of its own
            self._in_hand.add(task)
            try:
                again_after_s = await work(queue.ids_of(job.payload), job.attempts)
            except asyncio.CancelledError:
                # pgqueuer would delete a cancelled job; it is only this process that ends.
                raise RetryRequested(reason="the dispatcher stops") from None
            except Exception as error:
                # The top of a task: of whatever kind, the job is tried again, a bounded number of
                # times where nobody foresaw it. Of an outage the lane's own pulse tells.
                if isinstance(error, OUTAGES):
                    raise RetryRequested(timedelta(seconds=delay_s(job.attempts + 1))) from error
                logger.exception("job %s (%s) failed", job.id, job.entrypoint)
                if job.attempts >= _MOST_ATTEMPTS:
                    raise
                raise RetryRequested(timedelta(seconds=delay_s(job.attempts + 1))) from error
            finally:
                self._in_hand.discard(task)
                self._finished += 1
            if again_after_s is not None:
                raise RetryRequested(timedelta(seconds=again_after_s))

        return do

    # A second's grace: what became due just now is not yet waiting for anybody.
    WAITING = """
        SELECT EXISTS (
            SELECT FROM dashboard.pgqueuer
            WHERE entrypoint = ANY ($1) AND status = 'queued'
              AND execute_after < now() - interval '1 second')
    """

    async def _watch(self, pool: "asyncpg.Pool[asyncpg.Record]", pulse: Pulse) -> None:
        """Beat while nothing waits, or something was finished since the last look."""
        finished = self._finished
        while True:
            waiting = await pool.fetchval(self.WAITING, list(self._works), timeout=5)
            if not waiting or self._finished != finished:
                finished = self._finished
                pulse.beat()
            await asyncio.sleep(_WATCH_EVERY_S)


def _ignore(payload: str | bytes | bytearray) -> None:
    del payload
