"""The API for programs: frames, cameras, live updates. The same queries as the pages."""

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web

from dashboard_gateway import camera_view
from dashboard_gateway.access import viewer_of
from dashboard_gateway.camera_view import CameraView
from dashboard_gateway.event_stream import stream_frames
from dashboard_gateway.filters import FrameFilter
from dashboard_gateway.frame_view import FrameView, views_of
from dashboard_gateway.resources import POOL
from dashboard_gateway.search import COLUMNS, MAX_PAGE, Cursor, Search
from pinhole.contract.errors import NotFound, Unprocessable
from pinhole.contract.message import Message
from pinhole.runtime.http import json_answer
from pinhole.runtime.postgres import Pool

_DEFAULT_PAGE: Final = 50
_UTC: Final = ZoneInfo("UTC")
_MAX_ID: Final = 2**63 - 1
_PARAMETERS: Final = frozenset(
    {"camera", "site", "class", "min_confidence", "from", "to", "bytes_state", "analysis_state",
     "limit", "cursor"}
)  # fmt: skip


class FramePage(Message):
    """One page of the list, newest first; `next` is the cursor of the page after it, if any."""

    frames: list[FrameView]
    next: str | None


class CameraList(Message):
    """The cameras that the caller may see."""

    cameras: list[CameraView]


def add_routes(app: web.Application) -> None:
    """Add the API's routes."""
    app.router.add_get("/api/v1/frames", list_frames)
    app.router.add_get("/api/v1/frames/{frame_id}", one_frame)
    app.router.add_get("/api/v1/cameras", list_cameras)
    app.router.add_get("/api/v1/live", live)


async def list_frames(request: web.Request) -> web.Response:
    """Answer `GET /api/v1/frames`: filters, `limit`, `cursor`."""
    unknown = set(request.query) - _PARAMETERS
    if unknown:
        # A mistyped filter that is ignored would answer with every frame.
        raise Unprocessable(f"unknown parameter {min(unknown)[:40]!r}")
    limit = _limit(request.query.get("limit", ""))
    cursor = request.query.get("cursor")
    search = Search(FrameFilter.of(request.query), viewer_of(request), _UTC, datetime.now(UTC))
    after = Cursor.parse(cursor) if cursor else None
    rows = await search.page(request.app[POOL], limit=limit + 1, after=after)
    following = str(Cursor.of(rows[limit - 1])) if len(rows) > limit else None
    views = await views_of(request.app[POOL], rows[:limit])
    return json_answer(FramePage(frames=views, next=following))


def _limit(text: str) -> int:
    limit = int(text) if text.isascii() and text.isdecimal() and len(text) < 5 else 0  # noqa: PLR2004 - no such limit has five digits
    if not text:
        return _DEFAULT_PAGE
    if not 1 <= limit <= MAX_PAGE:
        raise Unprocessable(f"limit is a whole number from 1 to {MAX_PAGE}, got {text[:20]!r}")
    return limit


ONE = f"""
    SELECT {COLUMNS} FROM dashboard.frames f
    WHERE f.frame_id = $1 AND ($2::integer[] IS NULL OR f.camera_id = ANY ($2))
"""  # noqa: S608 - put together from constants


async def find_frame(request: web.Request) -> FrameView:
    """Return the frame that the path names, if the caller may see it.

    Raises:
        NotFound: no such frame, or none that the caller may see.
    """
    text = request.match_info["frame_id"]
    frame_id = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else -1  # noqa: PLR2004
    pool: Pool = request.app[POOL]
    rows = []
    if 0 < frame_id <= _MAX_ID:
        rows = await pool.fetch(ONE, frame_id, viewer_of(request).camera_ids)
    if not rows:
        raise NotFound("there is no such frame, or none that you may see")
    return (await views_of(pool, rows))[0]


async def one_frame(request: web.Request) -> web.Response:
    """Answer `GET /api/v1/frames/{frame_id}`."""
    return json_answer(await find_frame(request))


async def list_cameras(request: web.Request) -> web.Response:
    """Answer `GET /api/v1/cameras`."""
    views = await camera_view.list_for(request.app[POOL], viewer_of(request))
    return json_answer(CameraList(cameras=views))


async def live(request: web.Request) -> web.StreamResponse:
    """Answer `GET /api/v1/live` with server-sent events.

    `frame` carries a camera's newest frame as JSON; `empty` says that a camera's newest frame was
    removed and no older one can be shown.
    """

    def render(camera_id: int, frame: FrameView | None) -> tuple[str, str]:
        if frame is None:
            return "empty", f'{{"camera_id":{camera_id}}}'
        return "frame", frame.wire().decode()

    return await stream_frames(request, render)
