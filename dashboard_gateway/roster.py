"""The cameras in memory: one look-up a delivery without asking PostgreSQL each time.

A revocation is effective at once where its notice arrives, and within 2 s where the listener was
lost: nothing is remembered while nobody listens.
"""

import time
from typing import Final

from dashboard_gateway import cameras
from dashboard_gateway.cameras import Camera
from dashboard_gateway.notices import CAMERAS, Listener
from pinhole.contract.event import camera_of
from pinhole.runtime.postgres import Pool

_MAX_ENTRIES: Final = 10_000
# Strangers are forgotten soon: they can only come in numbers.
_STRANGER_S: Final = 2.0


class Roster:
    """Cameras by the `source` of their events."""

    def __init__(self, pool: Pool, listener: Listener) -> None:
        self._pool = pool
        self._listener = listener
        self._known: dict[str, Camera] = {}
        self._strangers: dict[str, float] = {}
        self._version = 0
        listener.on(CAMERAS, lambda _: self.clear())
        listener.on_lost(self.clear)

    def clear(self) -> None:
        """Forget everybody; answers under way are not remembered either."""
        self._known.clear()
        self._strangers.clear()
        self._version += 1

    async def find(self, source: str) -> Camera | None:
        """Return the camera that a valid `source` names, revoked or not."""
        camera = self._known.get(source)
        if camera is not None:
            return camera
        if self._strangers.get(source, 0) > time.monotonic():
            return None
        version = self._version
        camera = await cameras.find(self._pool, *camera_of(source))
        if version == self._version and self._listener.connected.is_set():
            self._remember(source, camera)
        return camera

    def _remember(self, source: str, camera: Camera | None) -> None:
        if len(self._known) + len(self._strangers) >= _MAX_ENTRIES:
            self.clear()
        if camera is None:
            self._strangers[source] = time.monotonic() + _STRANGER_S
        else:
            self._known[source] = camera
