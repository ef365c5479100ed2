"""Frames as they are shown, made up for tests that need no database."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from dashboard_gateway.frame_view import FrameView
from pinhole.contract.cid import Cid

_CID = Cid.of(b"picture")
_AT = datetime(2026, 3, 12, 10, 30, tzinfo=UTC)


def view(**changes: Any) -> FrameView:
    """Return a frame that was pinned and analysed, with `changes`."""
    values: dict[str, Any] = {
        "frame_id": 1,
        "camera_id": 1,
        "site": "north",
        "camera": "gate-a",
        "title": None,
        "cid": _CID,
        "image_hash": _CID.sha256,
        "picture_url": f"/ipfs/{_CID}",
        "size_bytes": 203_000,
        "media_type": "image/jpeg",
        "width_px": 1920,
        "height_px": 1080,
        "captured_at": _AT,
        "received_at": _AT,
        "clock_offset_ms": None,
        "storage_mode": "reference",
        "bytes_state": "pinned",
        "analysis_state": "detected",
        "reason": None,
        "details": None,
        "pinned_at": _AT,
        "analysed_at": _AT,
        "model": None,
        "event_id": UUID(int=1),
        "stream": None,
        "seq": None,
        "chain_state": "unchained",
        "attributes": {},
        "detections": [],
    }
    return FrameView(**{**values, **changes})
