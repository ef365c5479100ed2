"""A frame as it is shown: on a page, in the API's JSON, in a live update."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from dashboard_gateway.states import AnalysisState, BytesState
from pinhole.contract.cid import Cid, Codec
from pinhole.contract.detection import Detection, ModelId
from pinhole.contract.message import Instant, Message
from pinhole.runtime.postgres import Pool


class FrameView(Message):
    """Everything known of a frame, its bytes excepted: those are behind `picture_url`."""

    frame_id: int
    camera_id: int
    site: str
    camera: str
    title: str | None
    cid: Cid
    image_hash: str
    """SHA-256 of the whole file, hexadecimal: for one raw block the digest inside the CID."""
    picture_url: str
    size_bytes: int | None
    media_type: str
    width_px: int | None
    height_px: int | None
    captured_at: Instant
    received_at: Instant
    clock_offset_ms: int | None
    storage_mode: str
    bytes_state: BytesState
    analysis_state: AnalysisState
    reason: str | None
    details: str | None
    pinned_at: Instant | None
    analysed_at: Instant | None
    model: ModelId | None
    event_id: UUID
    stream: UUID | None
    seq: int | None
    chain_state: str
    attributes: dict[str, Any]
    detections: list[Detection]

    @property
    def camera_title(self) -> str:
        """What people call the camera."""
        return self.title or self.camera

    @property
    def is_held(self) -> bool:
        """Whether the picture can be loaded."""
        return self.bytes_state in (BytesState.PINNED, BytesState.ARCHIVED)

    @property
    def version(self) -> tuple[int, str, str]:
        """What a live update compares: another version looks different."""
        return self.frame_id, self.bytes_state, self.analysis_state


CAMERAS = "SELECT camera_id, site, name, title FROM dashboard.cameras WHERE camera_id = ANY ($1)"
DETECTIONS = """
    SELECT frame_id, xyxy_px, confidence, class_id, class_name FROM dashboard.detections
    WHERE frame_id = ANY ($1) ORDER BY frame_id, ordinal
"""


async def views_of(pool: Pool, rows: Sequence[asyncpg.Record]) -> list[FrameView]:
    """Return rows of `search.COLUMNS` as they are shown, in their order, with detections."""
    if not rows:
        return []
    ids = [row["frame_id"] for row in rows if row["analysis_state"] == AnalysisState.DETECTED]
    camera_ids = list({row["camera_id"] for row in rows})
    cameras = {row["camera_id"]: row for row in await pool.fetch(CAMERAS, camera_ids)}
    detections: dict[int, list[Detection]] = {}
    for row in await pool.fetch(DETECTIONS, ids) if ids else ():
        detections.setdefault(row["frame_id"], []).append(_detection(row))
    return [
        _view(row, cameras[row["camera_id"]], detections.get(row["frame_id"], [])) for row in rows
    ]


def _detection(row: asyncpg.Record) -> Detection:
    return Detection(
        xyxy_px=tuple(row["xyxy_px"]),
        confidence=row["confidence"],
        class_id=row["class_id"],
        class_name=row["class_name"],
    )


def _view(row: asyncpg.Record, camera: asyncpg.Record, detections: list[Detection]) -> FrameView:
    cid = Cid(bytes(row["digest"]), Codec(row["codec"]))
    model = None
    if row["model_name"] is not None and row["model_digest"] is not None:
        model = ModelId(name=row["model_name"], digest=bytes(row["model_digest"]).hex())
    same = (
        "frame_id", "camera_id", "size_bytes", "media_type", "width_px", "height_px",
        "captured_at", "received_at", "clock_offset_ms", "storage_mode", "bytes_state",
        "analysis_state", "reason", "details", "pinned_at", "analysed_at", "event_id", "stream",
        "seq", "chain_state", "attributes",
    )  # fmt: skip
    return FrameView(
        **{name: row[name] for name in same},
        site=camera["site"],
        camera=camera["name"],
        title=camera["title"],
        cid=cid,
        image_hash=bytes(row["sha256"]).hex(),
        picture_url=f"/ipfs/{cid}",
        model=model,
        detections=detections,
    )
