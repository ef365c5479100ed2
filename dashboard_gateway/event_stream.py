"""Server-sent events: how live updates travel. Source: WHATWG HTML §9.2.

Two streams of the same updates: JSON for programs, and ready tiles for the wall. A client that
comes back says what it saw last (`Last-Event-ID`) and gets only what changed since.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from aiohttp import web

from dashboard_gateway.access import caller_of, viewer_of
from dashboard_gateway.frame_view import FrameView
from dashboard_gateway.live import LIVE, Stream
from pinhole.contract.errors import PinholeError

_BEAT_S: Final = 15.0
_RETRY_MS: Final = 2000
_COMMIT_DELAY: Final = timedelta(seconds=10)
"""A change is dated when its transaction began and seen when it ended: look back that far."""

Render = Callable[[int, FrameView | None], tuple[str, str]]
"""Returns name and data of the event that tells a camera's newest frame, or that it has none."""
Beat = Callable[[Stream], Awaitable[bytes]]
"""Returns what is sent first and every few seconds, so that no proxy thinks that we are gone."""


async def _comment(stream: Stream) -> bytes:
    del stream
    return b":\n\n"


async def stream_frames(
    request: web.Request, render: Render, beat: Beat = _comment
) -> web.StreamResponse:
    """Answer with the newest frame of each camera now, and with each newer one as it comes."""
    live = request.app[LIVE]
    stream = live.open(viewer_of(request))
    try:
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",  # nginx would hold events back
            }
        )
        await response.prepare(request)
        await response.write(f"retry: {_RETRY_MS}\n\n".encode() + await beat(stream))
        await _offer_first(request, stream)
        with contextlib.suppress(ConnectionError):  # the viewer left
            async for frames in _updates(request, stream):
                events = [_event(camera_id, frame, render) for camera_id, frame in frames.items()]
                await response.write(b"".join(events) or await beat(stream))
    finally:
        live.leave(stream)
    return response


async def _offer_first(request: web.Request, stream: Stream) -> None:
    since = _last_seen(request)
    for frame in await request.app[LIVE].newest(stream.viewer.camera_ids):
        if since is None or _changed_at(frame) >= since:
            stream.offer(frame)
        else:
            stream.told[frame.camera_id] = frame.version


async def _updates(
    request: web.Request, stream: Stream
) -> AsyncIterator[dict[int, FrameView | None]]:
    """Yield what is new, or nothing every few seconds, until the viewer may see nothing more."""
    while not request.app[LIVE].closing:
        frames = await stream.next(_BEAT_S)
        if stream.must_ask_again or not frames:
            stream.must_ask_again = False
            try:
                stream.viewer = await caller_of(request)
            except PinholeError:
                return  # logged out, disabled or revoked
        yield {key: frame for key, frame in frames.items() if stream.viewer.may_see(key)}


def _event(camera_id: int, frame: FrameView | None, render: Render) -> bytes:
    name, data = render(camera_id, frame)
    lines = "".join(f"data: {line}\n" for line in data.splitlines())
    identity = f"id: {_event_id(frame)}\n" if frame is not None else ""
    return f"event: {name}\n{identity}{lines}\n".encode()


def _changed_at(frame: FrameView) -> datetime:
    times = (frame.received_at, frame.pinned_at, frame.analysed_at)
    return max(at for at in times if at is not None)


def _event_id(frame: FrameView) -> int:
    return round(_changed_at(frame).timestamp() * 1000)


def _last_seen(request: web.Request) -> datetime | None:
    """Return since when the client wants changes; nonsense means that it wants all."""
    text = request.headers.get("Last-Event-ID") or request.query.get("last_event_id", "")
    if not (text.isascii() and text.isdecimal() and len(text) < 15):  # noqa: PLR2004 - year 5138
        return None
    return datetime.fromtimestamp(int(text) / 1000, UTC) - _COMMIT_DELAY
