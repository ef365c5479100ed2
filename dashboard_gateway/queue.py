"""The jobs: rows of pgqueuer's table, made in the transaction that makes what they are about.

One job names all frames that one camera brought in one commit: a batch of a hundred events costs
one job, and its frames reach pinning in one call. They are worked on side by side, so none of them
waits for another.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from pgqueuer.adapters.persistence.qb import QueryQueueBuilder
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel

from pinhole.runtime.postgres import Connection

FRAMES: Final = "frames"
"""Entry point: take these frames of one camera through their journey."""
ANALYSES: Final = "analyses"
"""Entry point: frames that are pinned and found no room at the detector."""
ORIGIN: Final = "origin"
"""Entry point: tell pinning where a camera's frames are fetched, or that nowhere."""

MAX_FRAMES_IN_A_JOB: Final = 64

# Every name is given: pgqueuer would take any other from variables such as `FUNCTION` or `CHANNEL`.
SETTINGS: Final = DBSettings(
    prefix="",
    db_schema="dashboard",
    channel=Channel("ch_pgqueuer"),
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
    durability=Durability.balanced,
)
ENQUEUE: Final = QueryQueueBuilder(SETTINGS).build_enqueue_query()


def payload_of(ids: Iterable[int]) -> bytes:
    """Return the payload of a job about these rows."""
    return ",".join(map(str, ids)).encode()


def ids_of(payload: bytes | None) -> list[int]:
    """Return the ids in a job's payload."""
    return [int(part) for part in (payload or b"").split(b",") if part]


async def enqueue_frames(
    connection: Connection,
    frames_by_camera: Iterable[Sequence[int]],
    *,
    entrypoint: str = FRAMES,
    after: timedelta = timedelta(0),
) -> None:
    """Add jobs for frames, each group being one camera's; they are seen when this commits."""
    payloads = [
        payload_of(frame_ids[start : start + MAX_FRAMES_IN_A_JOB])
        for frame_ids in frames_by_camera
        for start in range(0, len(frame_ids), MAX_FRAMES_IN_A_JOB)
    ]
    if payloads:
        count = len(payloads)
        await connection.execute(
            ENQUEUE,
            [0] * count,
            [entrypoint] * count,
            payloads,
            [after] * count,
            [None] * count,
            [None] * count,
        )


async def enqueue_origin(connection: Connection, camera_id: int) -> None:
    """Add the job that tells pinning a camera's origin as it stands when the job runs."""
    # No "once" here: a job that is under way may have read the row before this change.
    await connection.execute(
        ENQUEUE, [0], [ORIGIN], [payload_of([camera_id])], [timedelta(0)], [None], [None]
    )
