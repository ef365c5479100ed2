"""PostgreSQL's NOTIFY: how one process hears what the others changed.

A notice is a hint, never the truth: who misses one reads the table. It is sent inside the
transaction that made the change, by triggers (migration 0003), hence arrives after the commit or
not at all.
"""

import asyncio
import json
import logging
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

import asyncpg

from pinhole.runtime.postgres import Connection
from pinhole.runtime.tasks import Pulse

logger = logging.getLogger(__name__)

FRAMES: Final = "frames"
"""Frames came or changed; the payload is a JSON list of frame ids. One notice a batch."""
CAMERAS: Final = "dashboard_cameras"
"""A camera was enrolled, got other keys, or was revoked; the payload is its camera_id."""

PING_EVERY_S: Final = 0.5
PING_TIMEOUT_S: Final = 1.0
STALLS_AFTER_S: Final = 10.0


def frame_ids_of(payload: str) -> list[int]:
    """Return the frame ids in a payload of `FRAMES`."""
    ids: list[int] = json.loads(payload)
    return ids


class Listener:
    """One connection that listens for all of this process, and says when it was lost.

    Register before `run`. `on_lost` callbacks run when notices may have been missed: caches empty
    themselves there. A connection that died silently is noticed within 1.5 s.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._callbacks: defaultdict[str, list[Callable[[str], None]]] = defaultdict(list)
        self._lost: list[Callable[[], None]] = []
        self.connected = asyncio.Event()

    def on(self, channel: str, callback: Callable[[str], None]) -> None:
        """Call `callback(payload)` for every notice on `channel`."""
        self._callbacks[channel].append(callback)

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Call `callback()` whenever notices may have been missed."""
        self._lost.append(callback)

    async def run(self, pulse: Pulse) -> None:
        """Listen until the connection is lost, which raises; the supervisor calls this again."""
        connection: Connection = await asyncpg.connect(self._dsn, timeout=PING_TIMEOUT_S * 3)
        try:
            for channel in self._callbacks:
                await connection.add_listener(channel, self._received)
            # What changed before these listeners stood was not heard.
            self._announce_loss()
            self.connected.set()
            await self._watch(connection, pulse)
        finally:
            self.connected.clear()
            self._announce_loss()
            connection.terminate()

    async def _watch(self, connection: Connection, pulse: Pulse) -> None:
        while True:
            await connection.execute("SELECT 1", timeout=PING_TIMEOUT_S)
            pulse.beat()
            await asyncio.sleep(PING_EVERY_S)

    def _announce_loss(self) -> None:
        for callback in self._lost:
            callback()

    def _received(self, connection: object, pid: int, channel: str, payload: Any) -> None:  # noqa: ANN401 - asyncpg's signature
        del connection, pid
        for callback in self._callbacks[channel]:
            try:
                callback(str(payload))
            except Exception:
                # asyncpg would log it and go on too; here the other listeners still hear of it.
                logger.exception("a listener of %s failed", channel)
