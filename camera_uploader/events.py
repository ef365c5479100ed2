"""The camera's events, as the canonical JSON that is signed, sent and chained."""

from datetime import UTC, datetime

from camera_uploader.frame import Frame
from camera_uploader.spool.events import Head, MakeBody
from pinhole.contract.event import (
    CameraEvent,
    CameraStatus,
    FrameCaptured,
    FrameData,
    FrameLost,
    LostData,
    StatusData,
    as_sent,
    canonical,
)
from pinhole.contract.ids import uuid7

_MAX_REASON_LENGTH = 200


def captured(source: str, frame: Frame, clock_offset_ms: int | None) -> MakeBody:
    """Return what makes the event of `frame` at the end of a chain."""

    def make(head: Head) -> bytes:
        data = FrameData(
            stream=head.stream,
            seq=head.seq + 1,
            prev=None if head.digest is None else head.digest.hex(),
            size_bytes=len(frame.data),
            media_type=frame.media_type,
            width_px=frame.width_px,
            height_px=frame.height_px,
            clock_offset_ms=clock_offset_ms,
            attributes=dict(frame.attributes),
        )
        return _body(
            FrameCaptured(
                id=uuid7(), source=source, time=frame.captured_at, subject=frame.cid, data=data
            )
        )

    return make


def status(source: str, data: StatusData) -> bytes:
    """Return a heartbeat; it is in no stream and never sent twice."""
    return _body(CameraStatus(id=uuid7(), source=source, time=datetime.now(UTC), data=data))


def lost(source: str, head: Head, seq: int, reason: str) -> bytes:
    """Return the declaration that the bytes of one frame are gone."""
    data = LostData(
        stream=head.stream, first_seq=seq, last_seq=seq, reason=reason[:_MAX_REASON_LENGTH]
    )
    return _body(FrameLost(id=uuid7(), source=source, time=datetime.now(UTC), data=data))


def _body(event: CameraEvent) -> bytes:
    return canonical(as_sent(event))
