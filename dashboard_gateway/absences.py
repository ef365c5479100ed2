"""Seqs of a stream that have no frame: declared lost by the camera, or rejected by the hub."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from pinhole.runtime.postgres import Connection


class Kind(StrEnum):
    """Why there is no frame."""

    LOST = "lost"
    REJECTED = "rejected"


@dataclass(slots=True)
class Absence:
    """A range of seqs without a frame, both ends included."""

    camera_id: int
    stream: UUID
    first_seq: int
    last_seq: int
    kind: Kind
    reason: str
    details: str | None
    event_id: UUID | None
    event_digest: bytes | None
    delivery_id: int = 0


INSERT = """
    INSERT INTO dashboard.absences (
        camera_id, stream, first_seq, last_seq, kind, reason, details, event_id, event_digest,
        delivery_id)
    SELECT * FROM unnest(
        $1::integer[], $2::uuid[], $3::bigint[], $4::bigint[], $5::dashboard.absence[],
        $6::text[], $7::text[], $8::uuid[], $9::bytea[], $10::bigint[])
    ON CONFLICT DO NOTHING
"""


async def insert(connection: Connection, absences: Sequence[Absence]) -> None:
    """Write absences; one whose event is known already is left as it is."""
    if absences:
        await connection.execute(
            INSERT,
            [absence.camera_id for absence in absences],
            [absence.stream for absence in absences],
            [absence.first_seq for absence in absences],
            [absence.last_seq for absence in absences],
            [absence.kind for absence in absences],
            [absence.reason for absence in absences],
            [absence.details for absence in absences],
            [absence.event_id for absence in absences],
            [absence.event_digest for absence in absences],
            [absence.delivery_id for absence in absences],
        )
