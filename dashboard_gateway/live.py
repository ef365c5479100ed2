"""Live updates: the newest frame of each camera, told to whoever looks as fast as they take it.

A notice from PostgreSQL wakes one task per process; it asks for the newest frames of the cameras
that changed and offers them to every open stream. A stream keeps one pending frame per camera, so
a slow viewer gets fewer updates, never a growing queue.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from dashboard_gateway.frame_view import FrameView, views_of
from dashboard_gateway.notices import frame_ids_of
from dashboard_gateway.search import COLUMNS
from dashboard_gateway.viewers import Viewer
from pinhole.contract.errors import Busy
from pinhole.runtime.postgres import Pool
from pinhole.runtime.tasks import Pulse

SWEEP_S: Final = 5.0
"""So often everything is looked at although no notice came: one may have been missed."""
STALLS_AFTER_S: Final = 30.0

# The newest that arrived, not the latest by the camera's clock: a wrong clock must not freeze the
# wall. One that was analysed is preferred while the detector is no more than 3 s behind: at five
# frames a second each would be replaced before its boxes come. A camera whose last 100 frames all
# lack their bytes shows nothing newer.
NEWEST = f"""
    SELECT f.* FROM unnest($1::integer[]) AS one (camera_id) CROSS JOIN LATERAL (
        SELECT held.* FROM (
            SELECT recent.*, max(recent.received_at) OVER () AS newest_at
            FROM (SELECT {COLUMNS} FROM dashboard.frames f
                  WHERE f.camera_id = one.camera_id ORDER BY -f.frame_id LIMIT 100) recent
            WHERE recent.bytes_state IN ('pinned', 'archived')) held
        ORDER BY (held.analysis_state <> 'waiting'
                  AND held.received_at > held.newest_at - interval '3 seconds') DESC,
                 held.frame_id DESC LIMIT 1) AS f
"""  # noqa: S608 - put together from constants
CAMERAS_OF = "SELECT DISTINCT camera_id FROM dashboard.frames WHERE frame_id = ANY ($1)"
ALL_CAMERAS = "SELECT camera_id FROM dashboard.cameras"


async def newest_frames(pool: Pool, camera_ids: Iterable[int] | None) -> list[FrameView]:
    """Return the newest frame whose bytes are held of each of these cameras (None: of all)."""
    if camera_ids is None:
        camera_ids = [row["camera_id"] for row in await pool.fetch(ALL_CAMERAS)]
    return await views_of(pool, await pool.fetch(NEWEST, list(camera_ids)))


@dataclass(eq=False)
class Stream:
    """One viewer's open connection: at most one pending frame per camera."""

    viewer: Viewer
    pending: dict[int, FrameView | None] = field(default_factory=dict)
    """By camera: its newest frame, or None where it has none that may be shown any more."""
    told: dict[int, tuple[int, str, str]] = field(default_factory=dict)
    must_ask_again: bool = False
    """The viewer's rights may have changed: they are looked up before the next update."""
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, frame: FrameView) -> None:
        """Tell the viewer of this frame unless it knows, or may not see the camera."""
        if self.viewer.may_see(frame.camera_id) and self.told.get(frame.camera_id) != frame.version:
            self.told[frame.camera_id] = frame.version
            self.pending[frame.camera_id] = frame
            self._woken.set()

    def take_back(self, camera_id: int) -> None:
        """Tell the viewer that what it sees of this camera is gone."""
        if self.told.pop(camera_id, None) is not None:
            self.pending[camera_id] = None
            self._woken.set()

    def wake(self) -> None:
        """Make `next` return."""
        self._woken.set()

    async def next(self, timeout_s: float) -> dict[int, FrameView | None]:
        """Return what is pending, waiting for it at most `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._woken.wait()
        except TimeoutError:
            return {}
        self._woken.clear()
        pending, self.pending = self.pending, {}
        return pending


class Live:
    """The open streams of this process, and the task that feeds them."""

    def __init__(self, pool: Pool, *, interval_s: float, max_streams: int) -> None:
        self._pool = pool
        self._interval_s = interval_s
        self._max_streams = max_streams
        self._streams: set[Stream] = set()
        self._shown: dict[int, bytes] = {}
        self._changed: set[int] = set()
        self._everything = False
        self._woken = asyncio.Event()
        self.closing = False

    def heard(self, payload: str) -> None:
        """Take a notice of frames that came or changed."""
        if self._streams:
            self._changed.update(frame_ids_of(payload))
            self._woken.set()

    def gone(self, payload: str) -> None:
        """Take a notice of bytes that may be shown no longer; most are long out of sight."""
        if bytes.fromhex(payload) in self._shown.values():
            self.look_everywhere()

    def look_everywhere(self) -> None:
        """Look at every camera: what is shown was removed, or notices may have been missed."""
        self._everything = True
        self._woken.set()

    def access_changed(self) -> None:
        """Have every stream ask again who its viewer is and what it may see."""
        for stream in self._streams:
            stream.must_ask_again = True
            stream.wake()

    def close(self) -> None:
        """End every stream."""
        self.closing = True
        for stream in self._streams:
            stream.wake()

    def open(self, viewer: Viewer) -> Stream:
        """Return a stream that is fed from now on; give it back with `leave`.

        Raises:
            Busy: too many are open.
        """
        if len(self._streams) >= self._max_streams:
            raise Busy(f"{len(self._streams)} live streams are open, which is the limit")
        stream = Stream(viewer)
        self._streams.add(stream)
        return stream

    def leave(self, stream: Stream) -> None:
        """Stop feeding a stream."""
        self._streams.discard(stream)

    async def feed(self, pulse: Pulse) -> None:
        """Feed the streams until cancelled."""
        while True:
            pulse.beat()
            try:
                async with asyncio.timeout(SWEEP_S):
                    await self._woken.wait()
            except TimeoutError:
                self._everything = True
            self._woken.clear()
            await self._tell()
            await asyncio.sleep(self._interval_s)

    async def newest(self, camera_ids: Iterable[int] | None) -> list[FrameView]:
        """Return the newest frames of cameras, and remember that they are shown."""
        frames = await newest_frames(self._pool, camera_ids)
        self._shown.update({frame.camera_id: frame.cid.digest for frame in frames})
        return frames

    async def _tell(self) -> None:
        changed, self._changed = self._changed, set()
        everything, self._everything = self._everything, False
        if not self._streams:
            self._shown.clear()
            return
        cameras = None
        if not everything:
            rows = await self._pool.fetch(CAMERAS_OF, list(changed))
            cameras = [row["camera_id"] for row in rows]
        frames = await self.newest(cameras)
        empty = set(self._shown if cameras is None else cameras) - {f.camera_id for f in frames}
        for stream in self._streams:
            for frame in frames:
                stream.offer(frame)
            for camera_id in empty:
                stream.take_back(camera_id)
        for camera_id in empty:
            self._shown.pop(camera_id, None)


LIVE = web.AppKey("live", Live)
