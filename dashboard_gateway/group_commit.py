"""Group commit: what concurrent requests bring is committed in one transaction.

While one transaction is under way, the next group gathers; there is no timer. A commit costs about
1 ms whatever it holds, so at 32 concurrent senders this is the difference between 800 and several
thousand events a second.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Final

import asyncpg
from aiohttp import web

from dashboard_gateway.deliveries import Delivery
from dashboard_gateway.ingest_metrics import COMMIT_EVENTS, COMMIT_SECONDS, WAITING_EVENTS
from dashboard_gateway.intake import Intake
from dashboard_gateway.resources import SETTINGS, WRITERS
from dashboard_gateway.sorting import Taken
from pinhole.contract.errors import Busy, Unprocessable
from pinhole.runtime.health import SUPERVISOR
from pinhole.runtime.postgres import AWAY, OUTAGES, Pool, PostgresUnavailable
from pinhole.runtime.tasks import Pulse

logger = logging.getLogger(__name__)

GROUP_EVENTS: Final = 500
"""Events after which a group is closed: 30 ms of PostgreSQL's work."""
# While one transaction waits for the disk, the next is written.
_COMMITTERS: Final = 2
_IDLE_S: Final = 1.0
_ATTEMPTS: Final = 3

Waiting = tuple[Delivery, "asyncio.Future[Taken]"]


class Unstorable(Unprocessable):
    """PostgreSQL refuses what the delivery holds; sent again it would again."""

    reason = "UNSTORABLE"


class GroupCommit:
    """Takes deliveries from many requests and answers each after its commit."""

    def __init__(
        self, pool: Pool, *, limit_events: int, timeout_s: float, plausible_age: timedelta
    ) -> None:
        self._pool = pool
        self._limit_events = limit_events
        self._timeout_s = timeout_s
        self._intake = Intake(plausible_age)
        self._waiting: deque[Waiting] = deque()
        self._waiting_events = 0
        self._came = asyncio.Event()

    def check_room(self) -> None:
        """Raise Busy where the queue is full: before a body is read, verified and parsed."""
        if self._waiting_events >= self._limit_events:
            raise Busy(
                f"{self._waiting_events} events wait for their commit, the limit is "
                f"{self._limit_events}"
            )

    async def commit(self, delivery: Delivery) -> Taken:
        """Return what became of `delivery`, once that is durable.

        Raises:
            Busy: too much is waiting.
            PostgresUnavailable: nothing was kept, or nobody knows; sending it again is safe.
            Unstorable: nothing of it was kept.
        """
        self.check_room()
        answer: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
        self._waiting.append((delivery, answer))
        self._count(delivery.size)
        self._came.set()
        return await answer

    async def run(self, pulse: Pulse) -> None:
        """Commit group after group until cancelled; who waits then is told to try again."""
        try:
            async with asyncio.TaskGroup() as committers:
                for _ in range(_COMMITTERS):
                    committers.create_task(self._commit_groups(pulse))
        finally:
            self._refuse_all()

    async def _commit_groups(self, pulse: Pulse) -> None:
        while True:
            if self._waiting:
                await self._commit_group(self._next_group(), pulse)
            else:
                await self._beat_idle(pulse)
                await self._idle()

    # Waits for the locks that a commit needs, and reads nothing.
    PROBE = "SELECT FROM dashboard.frames, dashboard.streams, dashboard.deliveries LIMIT 0"

    async def _beat_idle(self, pulse: Pulse) -> None:
        """Beat while nothing waits; after a failure only once a commit would succeed again."""
        if pulse.error is not None:
            try:
                await self._pool.execute(self.PROBE, timeout=self._timeout_s)
            except AWAY as error:
                pulse.fail(f"nothing can be committed: {type(error).__name__}: {error}")
                return
        pulse.beat()

    async def _idle(self) -> None:
        self._came.clear()
        try:
            async with asyncio.timeout(_IDLE_S):
                await self._came.wait()
        except TimeoutError:
            return

    def _next_group(self) -> list[Waiting]:
        group: list[Waiting] = []
        events = 0
        while self._waiting and (not group or events + self._waiting[0][0].size <= GROUP_EVENTS):
            group.append(self._waiting.popleft())
            events += group[-1][0].size
        self._count(-events)
        return group

    async def _commit_group(self, group: Sequence[Waiting], pulse: Pulse) -> None:
        try:
            taken = await self._write([delivery for delivery, _ in group])
            pulse.beat()
            for (_, answer), one in zip(group, taken, strict=True):
                if not answer.done():
                    answer.set_result(one)
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            await self._isolate(group, error, pulse)
        except Exception as error:
            # Whatever it is, those who wait must hear of it. Most of all a lost connection: whether
            # it committed, nobody knows, and a repeat finds out.
            problem = f"nothing was committed: {type(error).__name__}: {error}"
            if not isinstance(error, OUTAGES):
                logger.exception("a commit failed")
            elif pulse.error is None:
                logger.warning("%s", problem)
            pulse.fail(problem)
            for _, answer in group:
                _fail(answer, PostgresUnavailable(problem))
        finally:
            # Cancelled: nobody is left waiting.
            for _, answer in group:
                _fail(answer, PostgresUnavailable("the service stops"))

    async def _isolate(self, group: Sequence[Waiting], error: Exception, pulse: Pulse) -> None:
        """One delivery holds what PostgreSQL refuses: commit each alone, so that only it fails."""
        if len(group) > 1:
            for waiting in group:
                await self._commit_group([waiting], pulse)
            return
        delivery, answer = group[0]
        logger.error(
            "a delivery of %s cannot be stored: %s", delivery.camera.source, error, exc_info=error
        )
        _fail(answer, Unstorable("the delivery holds something that cannot be stored"))

    async def _write(self, deliveries: Sequence[Delivery]) -> list[Taken]:
        with COMMIT_SECONDS.time():
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    async with (
                        asyncio.timeout(self._timeout_s),
                        self._pool.acquire() as connection,
                        connection.transaction(),
                    ):
                        taken = await self._intake.take_in(connection, deliveries)
                except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
                    # Another worker commits the same cameras or events; it has won by now.
                    if attempt == _ATTEMPTS:
                        raise
                else:
                    COMMIT_EVENTS.observe(sum(delivery.size for delivery in deliveries))
                    return taken
        raise AssertionError

    def _refuse_all(self) -> None:
        while self._waiting:
            delivery, answer = self._waiting.popleft()
            self._count(-delivery.size)
            _fail(answer, PostgresUnavailable("the service stops or starts anew"))

    def _count(self, events: int) -> None:
        self._waiting_events += events
        WAITING_EVENTS.set(self._waiting_events)


def _fail(answer: "asyncio.Future[Taken]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)


GROUP_COMMIT = web.AppKey("group_commit", GroupCommit)


def setup(app: web.Application) -> None:
    """Add the commit loop."""
    app.cleanup_ctx.append(_committing)


async def _committing(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    app[GROUP_COMMIT] = GroupCommit(
        app[WRITERS],
        limit_events=settings.commit_queue_events,
        timeout_s=settings.commit_timeout_s,
        plausible_age=settings.plausible_age,
    )
    app[SUPERVISOR].start(
        "commit", app[GROUP_COMMIT].run, stalls_after_s=settings.commit_timeout_s + 2 * _IDLE_S
    )
    yield
