"""`POST /api/v1/results`: detections that an orchestrator (n8n) had made, with their frame.

The frame becomes one like any other: it is shown once its bytes are known to have come from their
owner. That is the camera (reference mode), or the caller, whose token uploaded them (binary mode).
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid5

from aiohttp import web

from dashboard_gateway import queue, records
from dashboard_gateway.cameras import Camera, UnknownCamera
from dashboard_gateway.capture_time import believed
from dashboard_gateway.receive import ROSTER
from dashboard_gateway.records import Detected
from dashboard_gateway.resources import SETTINGS, WRITERS
from dashboard_gateway.texts import holds_nul
from dashboard_gateway.verification import Revoked
from pinhole.contract.detection import InferenceAnswer, Timings
from pinhole.contract.errors import Conflict, Unprocessable
from pinhole.contract.event import MAX_ATTRIBUTES_BYTES, canonical, source_of
from pinhole.contract.results import Result, ResultStored
from pinhole.contract.scopes import Scope
from pinhole.runtime.http import json_answer, json_body
from pinhole.runtime.postgres import Connection
from pinhole.runtime.tokens import Token, require

PATH: Final = "/api/v1/results"
MAX_BODY_BYTES: Final = 2**20  # 1,000 detections take 150 KB
# Of identities that no sender gave: they are derived from camera, CID and capture time.
_NAMESPACE: Final = UUID("019a0000-0000-7000-8000-706968726573")


def setup(app: web.Application) -> None:
    """Add the route."""
    app.router.add_post(PATH, store_result)


async def store_result(request: web.Request) -> web.Response:
    """Store a frame with its detections; the same again is a duplicate."""
    token = await require(request, Scope.RESULTS_WRITE)
    result = await json_body(request, Result, MAX_BODY_BYTES)
    _check(result)
    camera = await _camera(request, token, result)
    now = datetime.now(UTC)
    captured_at = believed(result.captured_at, None, now, request.app[SETTINGS].plausible_age)
    owner = token.owner if result.storage_mode == "binary" else None
    async with request.app[WRITERS].acquire() as connection, connection.transaction():
        frame_id = await _insert(connection, camera, result, owner, captured_at)
        duplicate = frame_id is None
        if frame_id is None:
            frame_id = await _known(connection, camera, result)
        else:
            await records.write_detected(connection, [_detected(frame_id, result)])
            await queue.enqueue_frames(connection, [[frame_id]])
    stored = ResultStored(frame_id=frame_id, cid=result.frame_cid, duplicate=duplicate)
    return json_answer(stored, status=200 if duplicate else 201)


def _check(result: Result) -> None:
    size_bytes = len(json.dumps(result.attributes, ensure_ascii=False).encode())
    if size_bytes > MAX_ATTRIBUTES_BYTES:
        raise Unprocessable(
            f"attributes are {size_bytes} bytes, the limit is {MAX_ATTRIBUTES_BYTES}"
        )
    if holds_nul(result.model_dump(mode="json")):
        raise Unprocessable("a text holds U+0000, which cannot be stored")


async def _camera(request: web.Request, token: Token, result: Result) -> Camera:
    camera = None
    if token.sees(result.site, result.camera):
        camera = await request.app[ROSTER].find(source_of(result.site, result.camera))
    if camera is None:
        raise UnknownCamera(f"there is no camera {result.camera!r} at the site {result.site!r}")
    if camera.revoked_at is not None:
        raise Revoked(f"{camera.source} was revoked at {camera.revoked_at.isoformat()}")
    return camera


INSERT = """
    INSERT INTO dashboard.frames (
        camera_id, event_id, event_digest, digest, codec, sha256, size_bytes, width_px, height_px,
        captured_at, claimed_at, attributes, storage_mode, owner)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
    ON CONFLICT DO NOTHING RETURNING frame_id
"""


async def _insert(
    connection: Connection,
    camera: Camera,
    result: Result,
    owner: str | None,
    captured_at: datetime,
) -> int | None:
    cid = result.frame_cid
    frame_id: int | None = await connection.fetchval(
        INSERT,
        camera.camera_id,
        _event_id(result),
        _event_digest(result),
        cid.digest,
        cid.codec,
        bytes.fromhex(result.image_hash or cid.sha256),
        result.size_bytes,
        result.width_px,
        result.height_px,
        captured_at,
        None if captured_at == result.captured_at else result.captured_at,
        result.attributes,
        result.storage_mode,
        owner,
    )
    return frame_id


KNOWN = """
    SELECT frame_id, event_digest FROM dashboard.frames WHERE camera_id = $1 AND event_id = $2
"""


async def _known(connection: Connection, camera: Camera, result: Result) -> int:
    row = await connection.fetchrow(KNOWN, camera.camera_id, _event_id(result))
    if row is None or bytes(row["event_digest"]) != _event_digest(result):
        raise Conflict(
            f"{result.frame_cid} of {camera.source} at {result.captured_at.isoformat()} has "
            "another result here"
        )
    frame_id: int = row["frame_id"]
    return frame_id


def _event_id(result: Result) -> UUID:
    captured_at = result.captured_at.isoformat()
    return uuid5(_NAMESPACE, f"{result.site}/{result.camera}/{result.frame_cid}/{captured_at}")


def _event_digest(result: Result) -> bytes:
    return hashlib.sha256(canonical(result.model_dump(mode="json", exclude_none=True))).digest()


def _detected(frame_id: int, result: Result) -> Detected:
    answer = InferenceAnswer(
        detections=result.detections,
        width_px=result.width_px,
        height_px=result.height_px,
        model=result.model,
        timings_ms=Timings(),
        storage_mode=result.storage_mode,
        # By whatever parameters: it is no entry for the memo.
        cached=True,
    )
    return Detected(frame_id, result.frame_cid, answer)
