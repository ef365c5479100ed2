"""Live updates over server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientResponse, ClientTimeout

from dashboard_gateway.live import LIVE, Stream
from dashboard_gateway.viewers import Role, Viewer
from tests.dashboard_gateway.showing.conftest import Client, StartDashboard
from tests.dashboard_gateway.showing.views import view
from tests.support.gallery import Gallery, seen
from tests.support.polling import Eventually

PATIENCE_S = 10


@dataclass
class Event:
    """One server-sent event."""

    name: str
    identity: str
    data: str

    @property
    def frame(self) -> dict[str, Any]:
        """The data as JSON."""
        parsed: dict[str, Any] = json.loads(self.data)
        return parsed


@dataclass
class Events:
    """The events of an open stream."""

    answer: ClientResponse

    async def next(self) -> Event:
        """Return the next event, comments left out; fail where none comes."""
        fields: dict[str, list[str]] = {}
        async with asyncio.timeout(PATIENCE_S):
            async for line in self.answer.content:
                text = line.decode().rstrip("\n")
                if text:
                    name, _, value = text.partition(": ")
                    fields.setdefault(name, []).append(value)
                elif "event" in fields:
                    identity = fields.get("id", [""])[0]
                    return Event(fields["event"][0], identity, "\n".join(fields["data"]))
                else:
                    fields.clear()
        raise AssertionError("the stream ended")

    async def end(self) -> None:
        """Wait until the stream ends."""
        async with asyncio.timeout(PATIENCE_S):
            await self.answer.content.read()


@asynccontextmanager
async def listening(
    client: Client, headers: dict[str, str], path: str = "/api/v1/live"
) -> AsyncIterator[Events]:
    """Open a stream."""
    timeout = ClientTimeout(total=None)
    async with client.get(path, headers=headers, timeout=timeout) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        yield Events(answer)


async def test_the_newest_frame_comes_first_and_then_each_newer_one(
    showing: Client, gallery: Gallery, photo: bytes
) -> None:
    admin = await gallery.add_session("root", Role.ADMIN)
    camera = await gallery.add_camera("gate")
    first = await gallery.add_frame(camera, photo)
    async with listening(showing, admin) as events:
        event = await events.next()
        assert (event.name, event.frame["frame_id"]) == ("frame", first.frame_id)
        second = await gallery.add_frame(camera, photo, detections=[seen("car", 0.9, 0, 0, 9, 9)])
        event = await events.next()
        assert event.frame["frame_id"] == second.frame_id
        assert event.frame["detections"][0]["class_name"] == "car"


async def test_detections_that_come_later_update_the_frame(
    showing: Client, gallery: Gallery, photo: bytes
) -> None:
    admin = await gallery.add_session("root", Role.ADMIN)
    camera = await gallery.add_camera("gate")
    shown = await gallery.add_frame(camera, photo, analysis_state="waiting")
    async with listening(showing, admin) as events:
        assert (await events.next()).frame["analysis_state"] == "waiting"
        async with gallery.pool.acquire() as connection, connection.transaction():
            await connection.execute("UPDATE dashboard.frames SET analysis_state = 'detected'")
            await connection.execute("SELECT pg_notify('frames', $1)", f"[{shown.frame_id}]")
        assert (await events.next()).frame["analysis_state"] == "detected"


async def test_a_frame_whose_bytes_did_not_come_is_not_shown_yet(
    showing: Client, gallery: Gallery, photo: bytes
) -> None:
    admin = await gallery.add_session("root", Role.ADMIN)
    camera = await gallery.add_camera("gate")
    held = await gallery.add_frame(camera, photo)
    await gallery.add_frame(camera, photo, bytes_state="awaited", held=False)
    async with listening(showing, admin) as events:
        assert (await events.next()).frame["frame_id"] == held.frame_id


async def test_while_the_detector_keeps_up_frames_come_with_their_boxes(
    showing: Client, gallery: Gallery, photo: bytes
) -> None:
    admin = await gallery.add_session("root", Role.ADMIN)
    camera = await gallery.add_camera("gate")
    analysed = await gallery.add_frame(camera, photo)
    waiting = await gallery.add_frame(camera, photo, analysis_state="waiting")
    async with listening(showing, admin) as events:
        assert (await events.next()).frame["frame_id"] == analysed.frame_id
    await gallery.pool.execute(
        """UPDATE dashboard.frames SET received_at = received_at - interval '4 seconds'
           WHERE frame_id = $1""",
        analysed.frame_id,
    )
    async with listening(showing, admin) as events:
        assert (await events.next()).frame["frame_id"] == waiting.frame_id


async def test_a_viewer_hears_of_its_own_cameras_only(
    showing: Client, gallery: Gallery, photo: bytes
) -> None:
    headers = await gallery.add_token("south", cameras=["south"])
    north, south = await gallery.add_camera("a"), await gallery.add_camera("b", site="south")
    async with listening(showing, headers) as events:
        await gallery.add_frame(north, photo)
        shown = await gallery.add_frame(south, photo)
        assert (await events.next()).frame["frame_id"] == shown.frame_id


async def test_who_comes_back_gets_only_what_changed_since(
    showing: Client, gallery: Gallery, photo: bytes
) -> None:
    admin = await gallery.add_session("root", Role.ADMIN)
    old, new = await gallery.add_camera("old"), await gallery.add_camera("new")
    await gallery.add_frame(old, photo)
    await gallery.pool.execute(
        """UPDATE dashboard.frames SET received_at = received_at - interval '1 minute',
           pinned_at = pinned_at - interval '1 minute',
           analysed_at = analysed_at - interval '1 minute'"""
    )
    async with listening(showing, admin) as events:
        seen_last = await events.next()
    shown = await gallery.add_frame(new, photo)
    since = str(int(seen_last.identity) + 30_000)
    for headers, path in (
        ({**admin, "Last-Event-ID": since}, "/api/v1/live"),
        (admin, f"/api/v1/live?last_event_id={since}"),
    ):
        async with listening(showing, headers, path) as events:
            assert (await events.next()).frame["frame_id"] == shown.frame_id


async def test_an_erased_frame_is_taken_back(
    showing: Client, gallery: Gallery, photo: bytes
) -> None:
    admin = await gallery.add_session("root", Role.ADMIN)
    camera = await gallery.add_camera("gate")
    first = await gallery.add_frame(camera, photo)
    second = await gallery.add_frame(camera, photo + b"x")
    async with listening(showing, admin) as events:
        assert (await events.next()).frame["frame_id"] == second.frame_id
        await gallery.set_state(second.frame_id, "erased")
        assert (await events.next()).frame["frame_id"] == first.frame_id
        await gallery.set_state(first.frame_id, "erased")
        event = await events.next()
        assert (event.name, json.loads(event.data)) == ("empty", {"camera_id": camera})


async def test_a_stream_ends_when_its_viewer_is_logged_out(
    showing: Client, gallery: Gallery
) -> None:
    admin = await gallery.add_session("root", Role.ADMIN)
    async with listening(showing, admin) as events:
        await gallery.pool.execute("DELETE FROM dashboard.sessions")
        await events.end()


async def test_a_grant_that_is_taken_back_holds_for_an_open_stream(
    showing: Client, gallery: Gallery, photo: bytes, eventually: Eventually
) -> None:
    headers = await gallery.add_session("porter", grants=["north", "south"])
    north, south = await gallery.add_camera("a"), await gallery.add_camera("b", site="south")
    async with listening(showing, headers) as events:
        streams = showing.app[LIVE]._streams
        await eventually(lambda: len(streams) == 1)
        await gallery.pool.execute("DELETE FROM dashboard.grants WHERE site = 'north'")
        (stream,) = streams
        await eventually(lambda: not stream.viewer.may_see(north))
        await gallery.add_frame(north, photo)
        shown = await gallery.add_frame(south, photo)
        assert (await events.next()).frame["frame_id"] == shown.frame_id


async def test_the_wall_s_stream_carries_tiles_and_when_cameras_were_heard(
    showing: Client, gallery: Gallery, photo: bytes
) -> None:
    admin = await gallery.add_session("root", Role.ADMIN)
    camera = await gallery.add_camera("gate")
    shown = await gallery.add_frame(camera, photo, detections=[seen("car", 0.9, 0, 0, 9, 9)])
    async with listening(showing, admin, "/live") as events:
        heard = await events.next()
        assert heard.name == "seen"
        assert str(camera) in heard.frame["cameras"]
        tile = await events.next()
        assert tile.name == f"camera-{camera}"
        assert f'href="/frames/{shown.frame_id}"' in tile.data
        assert "car 90%" in tile.data


async def test_a_slow_viewer_gets_the_newest_frame_and_no_queue() -> None:
    stream = Stream(Viewer("root", Role.ADMIN, None))
    for number in range(1000):
        stream.offer(view(frame_id=number, camera_id=number % 3))
    assert len(stream.pending) == 3
    told = await stream.next(1)
    assert sorted(frame.frame_id for frame in told.values() if frame) == [997, 998, 999]
    assert await stream.next(0) == {}


async def test_streams_beyond_the_limit_are_refused_and_a_closed_one_makes_room(
    start_showing: StartDashboard, gallery: Gallery, eventually: Eventually
) -> None:
    client = await start_showing(live_streams=1)
    admin = await gallery.add_session("root", Role.ADMIN)
    async with listening(client, admin):
        refused = await client.get("/api/v1/live", headers=admin)
        assert refused.status == 429
        assert "Retry-After" in refused.headers
    await eventually(lambda: not client.app[LIVE]._streams)
    async with listening(client, admin):
        pass


async def test_a_stop_of_the_service_ends_open_streams(
    start_showing: StartDashboard, gallery: Gallery
) -> None:
    client = await start_showing()
    admin = await gallery.add_session("root", Role.ADMIN)
    async with listening(client, admin) as events:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(client.server.close(), events.end())
