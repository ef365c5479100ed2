"""What a camera says of itself, and when it was last heard."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pinhole.runtime.postgres import Connection

_EVERY: Final = timedelta(seconds=1)


@dataclass(slots=True)
class Sign:
    """The last that one commit heard of a camera."""

    camera_id: int
    received_at: datetime
    status: str | None = None
    """The newest heartbeat's data as JSON text."""
    sent_at: datetime | None = None
    """The signed sending time of `status`."""

    def hear(self, received_at: datetime) -> None:
        """Take note that something came."""
        self.received_at = max(self.received_at, received_at)

    def hear_status(self, status: str, sent_at: datetime) -> None:
        """Take a heartbeat; the newest by its sending time stays."""
        if self.sent_at is None or sent_at >= self.sent_at:
            self.status, self.sent_at = status, sent_at


# A repeated delivery may carry an older heartbeat: the signed time decides, not the arrival.
WRITE = """
    UPDATE dashboard.cameras AS c SET
        last_event_at = GREATEST(c.last_event_at, n.received_at),
        status = CASE WHEN n.sent_at >= COALESCE(c.status_sent_at, '-infinity')
            THEN n.status::jsonb ELSE c.status END,
        status_at = CASE WHEN n.sent_at >= COALESCE(c.status_sent_at, '-infinity')
            THEN n.received_at ELSE c.status_at END,
        status_sent_at = GREATEST(c.status_sent_at, n.sent_at)
    FROM (
        SELECT * FROM unnest($1::integer[], $2::timestamptz[], $3::text[], $4::timestamptz[])
            AS given (camera_id, received_at, status, sent_at)
        ORDER BY camera_id
    ) AS n
    WHERE c.camera_id = n.camera_id
"""


class Heartbeats:
    """Writes signs of life: heartbeats at once, and that events come once a second."""

    def __init__(self) -> None:
        self._written_at: dict[int, datetime] = {}

    async def write(self, connection: Connection, signs: Collection[Sign]) -> None:
        """Write what is worth writing of one commit's signs, at most one for each camera."""
        due = [sign for sign in signs if self._is_due(sign)]
        if not due:
            return
        await connection.execute(
            WRITE,
            [sign.camera_id for sign in due],
            [sign.received_at for sign in due],
            [sign.status for sign in due],
            [sign.sent_at for sign in due],
        )
        self._written_at |= {sign.camera_id: sign.received_at for sign in due}

    def _is_due(self, sign: Sign) -> bool:
        written_at = self._written_at.get(sign.camera_id)
        return (
            sign.status is not None
            or written_at is None
            or abs(sign.received_at - written_at) >= _EVERY
        )
