"""The dispatcher: which jobs there are, and what each of them sets going."""

import logging
from collections.abc import AsyncIterator, Sequence

from aiohttp import web

from dashboard_gateway import cameras, orphans, queue, queue_state
from dashboard_gateway.backoff import OUTAGE_LONGEST_S, delay_s
from dashboard_gateway.clients import (
    DetectorClient,
    NeighbourUnavailable,
    PinningClient,
    RequestRefused,
)
from dashboard_gateway.infer_step import InferStep, Room
from dashboard_gateway.journeys import Journeys
from dashboard_gateway.lane import Lane
from dashboard_gateway.memo import Memo
from dashboard_gateway.neighbours import Neighbours
from dashboard_gateway.orphans import Orphans
from dashboard_gateway.pin_step import PinStep
from dashboard_gateway.queue_state import QueueState
from dashboard_gateway.records import Records
from dashboard_gateway.resources import PINNING, SESSION, SETTINGS, WRITERS
from dashboard_gateway.revival import revive_camera
from dashboard_gateway.settings import DashboardSettings
from dashboard_gateway.telling import Telling
from pinhole.runtime.health import SUPERVISOR
from pinhole.runtime.postgres import Pool
from pinhole.runtime.tasks import Supervisor

logger = logging.getLogger(__name__)


def setup(app: web.Application) -> None:
    """Add the dispatcher."""
    app.cleanup_ctx.append(_dispatching)


async def _dispatching(app: web.Application) -> AsyncIterator[None]:
    settings, supervisor, pool = app[SETTINGS], app[SUPERVISOR], app[WRITERS]
    detector = DetectorClient(
        app[SESSION],
        settings.yolo_url,
        settings.yolo_token,
        timeout_s=settings.inference_timeout_s,
    )
    records = Records(pool)
    journeys = Journeys(
        pool,
        PinStep(
            app[PINNING],
            records,
            wait_s=settings.pin_wait_s,
            attempts=settings.pin_attempts,
        ),
        InferStep(
            detector,
            Memo(pool, detector),
            records,
            batch=settings.inference_batch,
            attempts=settings.inference_attempts,
        ),
        records,
    )
    _start_lanes(settings, supervisor, journeys, OriginJob(pool, app[PINNING]))
    supervisor.start(
        "neighbours",
        Neighbours(app[PINNING], detector).run,
        stalls_after_s=settings.stalls_after_s,
    )
    supervisor.start(
        "telling", Telling(pool, app[PINNING]).run, stalls_after_s=settings.stalls_after_s
    )
    supervisor.start(
        "orphans", Orphans(pool).run, stalls_after_s=orphans.EVERY_S + settings.stalls_after_s
    )
    supervisor.start(
        "queue state",
        QueueState(pool).run,
        stalls_after_s=queue_state.EVERY_S + settings.stalls_after_s,
    )
    yield
    await records.stop()


def _start_lanes(
    settings: DashboardSettings, supervisor: Supervisor, journeys: Journeys, origin: "OriginJob"
) -> None:
    live = Room(settings.analysing_at_once, wait=False)
    # What found no room once waits for it here, and takes none from what is live.
    backlog = Room(max(settings.inference_batch, settings.analysing_at_once // 4), wait=True)

    async def go(frame_ids: Sequence[int], attempt: int) -> float | None:
        return await journeys.go(frame_ids, live, attempt)

    async def go_on(frame_ids: Sequence[int], attempt: int) -> float | None:
        return await journeys.go(frame_ids, backlog, attempt)

    dsn, stale_after_s = settings.postgres_dsn.get_secret_value(), settings.job_stale_after_s
    lanes = {
        "dispatch": Lane(
            dsn,
            {queue.FRAMES: go, queue.ORIGIN: origin.push},
            jobs_at_once=settings.jobs_at_once,
            stale_after_s=stale_after_s,
        ),
        "dispatch backlog": Lane(
            dsn, {queue.ANALYSES: go_on}, jobs_at_once=4, stale_after_s=stale_after_s
        ),
    }
    for name, lane in lanes.items():
        supervisor.start(name, lane.run, stalls_after_s=settings.stalls_after_s)


class OriginJob:
    """Tells pinning where cameras' frames are fetched."""

    def __init__(self, pool: Pool, pinning: PinningClient) -> None:
        self._pool = pool
        self._pinning = pinning

    async def push(self, camera_ids: Sequence[int], attempt: int) -> float | None:
        """Tell pinning the origins as they stand now, and look again for what was missing."""
        for camera_id in camera_ids:
            camera = await cameras.find_by_id(self._pool, camera_id)
            if camera is None:
                continue
            try:
                if camera.revoked_at is None:
                    await self._pinning.put_origin(camera.site, camera.name, camera.origin)
                else:
                    await self._pinning.delete_origin(camera.site, camera.name)
            except NeighbourUnavailable:
                return delay_s(attempt + 1, longest_s=OUTAGE_LONGEST_S)
            except RequestRefused as error:
                # An address outside pinning's networks: enrolled again, this is tried again.
                logger.warning("%s is not fetched from: %s", camera.source, error.details)
            async with self._pool.acquire() as connection, connection.transaction():
                await revive_camera(connection, camera_id)
        return None
