"""The pages: wall, list, one frame, cameras. Rendered here, refined by htmx and small scripts."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web

from dashboard_gateway import camera_view, wording
from dashboard_gateway.access import viewer_of
from dashboard_gateway.api import find_frame
from dashboard_gateway.camera_view import CameraView
from dashboard_gateway.event_stream import stream_frames
from dashboard_gateway.filters import FrameFilter
from dashboard_gateway.frame_view import FrameView, views_of
from dashboard_gateway.live import Stream, newest_frames
from dashboard_gateway.rendering import RENDERER, html_response, render, zone_of
from dashboard_gateway.resources import POOL, SETTINGS
from dashboard_gateway.search import Cursor, Search
from pinhole.contract.errors import PinholeError
from pinhole.runtime.postgres import Pool

FIRST_ROWS: Final = 48
"""Frames in the first answer: more than any screen shows, so that paint and scroll never wait."""
MORE_ROWS: Final = 96
MOST_COLUMNS: Final = 5
MOST_ROWS: Final = 4
PRESETS: Final = (
    ("now-15m", "Last 15 minutes"), ("now-1h", "Last hour"), ("now-6h", "Last 6 hours"),
    ("now-1d", "Last 24 hours"), ("now-7d", "Last 7 days"), ("now-30d", "Last 30 days"),
)  # fmt: skip


@dataclass(frozen=True)
class WallTile:
    """A camera and its newest frame."""

    camera: CameraView
    frame: FrameView | None
    silent_s: float | None
    """How long it has been silent, where that is too long; else None."""


@dataclass(frozen=True)
class WallPage:
    """What wall.html shows."""

    tiles: list[WallTile]
    silent_after_s: float

    @property
    def columns(self) -> int:
        """As many as make the wall square."""
        return min(MOST_COLUMNS, math.ceil(math.sqrt(len(self.tiles))))

    @property
    def rows(self) -> int:
        """How many rows share one screen; the wall scrolls beyond."""
        return min(MOST_ROWS, math.ceil(len(self.tiles) / self.columns))


@dataclass(frozen=True)
class Rows:
    """Part of the list: frames with a header before each day, and where it goes on."""

    days: list[tuple[str, list[FrameView]]]
    """(header, frames); the first header is empty where the day began in the part before."""
    more_url: str | None
    query: str
    """The filter, which a frame's address carries so that previous and next stay in the list."""
    zone: ZoneInfo
    """The viewer's time zone."""


@dataclass(frozen=True)
class ExplorePage:
    """What explore.html shows."""

    rows: Rows
    filter: FrameFilter
    cameras: list[CameraView]
    classes: list[str]
    presets: Sequence[tuple[str, str]]
    problem: str | None
    has_frames: bool
    """Whether anything is there at all: an empty list may also be the filter's doing."""


@dataclass(frozen=True)
class FramePage:
    """What frame.html shows."""

    frame: FrameView
    newer_url: str | None
    older_url: str | None
    list_url: str


@dataclass(frozen=True)
class CamerasPage:
    """What cameras.html shows."""

    cameras: list[CameraView]
    silent_after_s: float


def add_routes(app: web.Application) -> None:
    """Add the pages' routes."""
    app.router.add_get("/", wall)
    app.router.add_get("/live", wall_live)
    app.router.add_get("/explore", explore)
    app.router.add_get("/explore/more", explore_more)
    app.router.add_get("/frames/{frame_id}", frame)
    app.router.add_get("/cameras", cameras)


async def wall(request: web.Request) -> web.Response:
    """Answer `GET /`: the newest frame of every camera."""
    viewer = viewer_of(request)
    pool = request.app[POOL]
    shown = await camera_view.list_for(pool, viewer)
    frames = await newest_frames(pool, [camera.camera_id for camera in shown])
    newest = {frame.camera_id: frame for frame in frames}
    limit_s, now = request.app[SETTINGS].silent_after_s, datetime.now(UTC)
    tiles = []
    for camera in shown:
        silent_s = camera.silent_s(now)
        is_silent = silent_s is not None and silent_s > limit_s
        frame = newest.get(camera.camera_id)
        if camera.revoked_at is None or frame is not None:
            tiles.append(WallTile(camera, frame, silent_s if is_silent else None))
    return await render(
        request, "wall.html", WallPage(tiles, limit_s), viewer=viewer, active="wall"
    )


async def wall_live(request: web.Request) -> web.StreamResponse:
    """Answer `GET /live` with server-sent events `camera-<id>`, each a ready tile."""
    renderer = request.app[RENDERER]

    def tile(camera_id: int, frame: FrameView | None) -> tuple[str, str]:
        return f"camera-{camera_id}", renderer.fragment("fragments/picture.html", frame=frame)

    async def seen(stream: Stream) -> bytes:
        """Tell when each camera was last heard: silence is not seen from frames alone."""
        heard = {
            camera.camera_id: _milliseconds(camera.last_event_at)
            for camera in await camera_view.list_for(request.app[POOL], stream.viewer)
            if camera.revoked_at is None
        }
        told = {"now": _milliseconds(datetime.now(UTC)), "cameras": heard}
        return f"event: seen\ndata: {json.dumps(told)}\n\n".encode()

    return await stream_frames(request, tile, seen)


def _milliseconds(at: datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1000)


CLASSES = """
    SELECT DISTINCT unnest(classes) AS class_name FROM (
        SELECT classes FROM dashboard.frames
        WHERE $1::integer[] IS NULL OR camera_id = ANY ($1)
        ORDER BY captured_at DESC, frame_id DESC LIMIT 2000) recent
    ORDER BY class_name
"""


async def _classes(pool: Pool, camera_ids: list[int] | None) -> list[str]:
    return [row["class_name"] for row in await pool.fetch(CLASSES, camera_ids)]


async def explore(request: web.Request) -> web.Response:
    """Answer `GET /explore`: the list, newest first; the URL holds every filter."""
    viewer = viewer_of(request)
    pool = request.app[POOL]
    problem, wanted = None, FrameFilter()
    try:
        wanted = FrameFilter.of(request.query)
        rows = await _rows(request, wanted, FIRST_ROWS)
    except PinholeError as error:
        problem, rows = error.details, Rows([], None, "", await zone_of(request))
    page = ExplorePage(
        rows=rows,
        filter=wanted,
        cameras=await camera_view.list_for(pool, viewer),
        classes=sorted({*await _classes(pool, viewer.camera_ids), *wanted.class_name}),
        presets=PRESETS,
        problem=problem,
        has_frames=bool(rows.days) or bool(await newest_frames(pool, viewer.camera_ids)),
    )
    status = 422 if problem else 200
    return await render(
        request, "explore.html", page, viewer=viewer, active="explore", status=status
    )


async def explore_more(request: web.Request) -> web.Response:
    """Answer `GET /explore/more`: the next rows of the list as a fragment."""
    rows = await _rows(request, FrameFilter.of(request.query), MORE_ROWS)
    return html_response(request.app[RENDERER].fragment("fragments/rows.html", rows=rows))


async def _rows(request: web.Request, wanted: FrameFilter, limit: int) -> Rows:
    zone, now = await zone_of(request), datetime.now(UTC)
    cursor = request.query.get("cursor")
    after = Cursor.parse(cursor) if cursor else None
    search = Search(wanted, viewer_of(request), zone, now)
    found = await search.page(request.app[POOL], limit=limit + 1, after=after)
    frames = await views_of(request.app[POOL], found[:limit])
    more_url = None
    if len(found) > limit:
        more_url = f"/explore/more?cursor={Cursor.of(found[limit - 1])}&{wanted.query}"
    before = after.captured_at.astimezone(zone).date() if after else None
    days: list[tuple[str, list[FrameView]]] = []
    for frame in frames:
        day = frame.captured_at.astimezone(zone).date()
        if day != before or not days:
            header = wording.day_header(frame.captured_at, zone, now) if day != before else ""
            days.append((header, []))
            before = day
        days[-1][1].append(frame)
    return Rows(days, more_url, wanted.query, zone)


async def frame(request: web.Request) -> web.Response:
    """Answer `GET /frames/{frame_id}`: one frame; its neighbours are those of the list's filter."""
    viewer = viewer_of(request)
    found = await find_frame(request)
    wanted = FrameFilter.of(request.query)
    search = Search(wanted, viewer, await zone_of(request), datetime.now(UTC))
    place = Cursor(found.captured_at, found.frame_id)
    pool = request.app[POOL]
    newer = await search.page(pool, limit=1, after=place, newer=True)
    older = await search.page(pool, limit=1, after=place)
    query = f"?{wanted.query}" if wanted.query else ""
    page = FramePage(
        frame=found,
        newer_url=f"/frames/{newer[0]['frame_id']}{query}" if newer else None,
        older_url=f"/frames/{older[0]['frame_id']}{query}" if older else None,
        list_url=f"/explore{query}",
    )
    # Opened over the list, only the frame itself is needed.
    template = "fragments/detail.html" if "HX-Request" in request.headers else "frame.html"
    return await render(request, template, page, viewer=viewer, active="explore")


async def cameras(request: web.Request) -> web.Response:
    """Answer `GET /cameras`: every camera and how it says it is."""
    viewer = viewer_of(request)
    page = CamerasPage(
        await camera_view.list_for(request.app[POOL], viewer),
        request.app[SETTINGS].silent_after_s,
    )
    return await render(request, "cameras.html", page, viewer=viewer, active="cameras")
