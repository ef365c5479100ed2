"""A camera as it is shown: its name, when it last sent, and how it says it is."""

from datetime import datetime

import asyncpg
from pydantic import ValidationError

from dashboard_gateway.viewers import Viewer
from pinhole.contract.event import StatusData
from pinhole.contract.message import Instant, Message
from pinhole.runtime.postgres import Pool


class CameraHealth(Message):
    """The last heartbeat, in the words of the contract."""

    reported_at: Instant
    spool_depth: int
    oldest_unsent_at: Instant | None
    last_capture_at: Instant | None
    disk_free_bytes: int | None
    disk_total_bytes: int | None
    duplicates: int
    refused: int
    versions: dict[str, str]
    states: dict[str, str]


class CameraView(Message):
    """An enrolled camera."""

    camera_id: int
    site: str
    camera: str
    title: str | None
    enrolled_at: Instant
    revoked_at: Instant | None
    last_event_at: Instant | None
    health: CameraHealth | None

    @property
    def name(self) -> str:
        """What people call the camera."""
        return self.title or self.camera

    def silent_s(self, now: datetime) -> float | None:
        """Return the seconds since it last sent anything; None where it never did."""
        if self.last_event_at is None:
            return None
        return max(0.0, (now - self.last_event_at).total_seconds())


LIST = """
    SELECT camera_id, site, name AS camera, title, enrolled_at, revoked_at, status, status_at,
           greatest(last_event_at, status_at) AS last_event_at
    FROM dashboard.cameras
    WHERE ($1::integer[] IS NULL OR camera_id = ANY ($1)) ORDER BY site, name
"""


async def list_for(pool: Pool, viewer: Viewer) -> list[CameraView]:
    """Return the cameras that `viewer` may see, by site and name."""
    return [_view(row) for row in await pool.fetch(LIST, viewer.camera_ids)]


def _view(row: asyncpg.Record) -> CameraView:
    same = ("camera_id", "site", "camera", "title", "enrolled_at", "revoked_at", "last_event_at")
    return CameraView(**{name: row[name] for name in same}, health=_health(row))


def _health(row: asyncpg.Record) -> CameraHealth | None:
    if row["status"] is None or row["status_at"] is None:
        return None
    try:
        status = StatusData.model_validate(row["status"])
    except ValidationError:
        return None  # a camera of another version: its frames count, not its words
    return CameraHealth(
        reported_at=row["status_at"],
        **{
            name: getattr(status, name)
            for name in CameraHealth.model_fields
            if name != "reported_at"
        },
    )
