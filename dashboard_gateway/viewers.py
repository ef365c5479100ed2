"""Who looks: a user's session or a bearer token, reduced to what it may see.

Every question of permission in the showing half ends here, as one set of camera ids.
"""

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dashboard_gateway.caches import ByteCache
from dashboard_gateway.notices import Listener
from pinhole.runtime.postgres import Pool
from pinhole.runtime.tokens import Token

ACCESS_CHANGED: Final = "dashboard_access"
"""Notice: users, grants, sessions or cameras changed; no payload."""
TOKENS_CHANGED: Final = "pinhole_tokens"
"""The runtime's notice: a bearer token was made, changed or revoked."""

_BELIEVED_S: Final = 30.0
"""How long a looked-up viewer is kept where no change is announced."""
_MAX_VIEWERS: Final = 10_000


class Role(StrEnum):
    """What a user is."""

    ADMIN = "admin"
    VIEWER = "viewer"


@dataclass(frozen=True)
class Viewer:
    """A known caller and the cameras it may see."""

    name: str
    role: Role
    cameras: frozenset[int] | None
    """Ids of the cameras it may see; None sees all."""
    user_id: int | None = None
    must_change_password: bool = False

    def may_see(self, camera_id: int) -> bool:
        """Whether frames of this camera may be shown to it."""
        return self.cameras is None or camera_id in self.cameras

    @property
    def camera_ids(self) -> list[int] | None:
        """The cameras as a query's parameter."""
        return None if self.cameras is None else sorted(self.cameras)


class Viewers:
    """Looks viewers up and keeps them while changes would be heard."""

    def __init__(self, pool: Pool, listener: Listener) -> None:
        self._pool = pool
        self._listener = listener
        self._cache: ByteCache[bytes, tuple[float, Viewer]] = ByteCache(_MAX_VIEWERS, lambda _: 1)
        self._cleared = 0

    def clear(self) -> None:
        """Forget everybody: a user, grant, session, token or camera changed."""
        self._cleared += 1
        self._cache.clear()

    async def of_session(self, token_hash: bytes) -> Viewer | None:
        """Return the user of a live session."""
        viewer = self._kept(token_hash)
        if viewer is None:
            cleared = self._cleared
            viewer = await self._find_session(token_hash)
            self._keep(token_hash, viewer, cleared)
        return viewer

    async def of_token(self, token_hash: bytes, token: Token) -> Viewer:
        """Return the viewer that a verified bearer token stands for."""
        viewer = self._kept(token_hash)
        if viewer is None:
            cleared = self._cleared
            cameras = None if token.cameras is None else await self._named(token.cameras)
            viewer = Viewer(token.owner, Role.VIEWER, cameras)
            self._keep(token_hash, viewer, cleared)
        return viewer

    def _kept(self, key: bytes) -> Viewer | None:
        entry = self._cache.get(key)
        if entry is None or not self._listener.connected.is_set() or time.monotonic() > entry[0]:
            return None
        return entry[1]

    def _keep(self, key: bytes, viewer: Viewer | None, cleared: int) -> None:
        # A change heard while the query ran may be newer than its answer: do not keep that.
        if viewer is not None and self._listener.connected.is_set() and cleared == self._cleared:
            self._cache.put(key, (time.monotonic() + _BELIEVED_S, viewer))

    SESSION = """
        SELECT u.user_id, u.name, u.role, u.must_change_password, ARRAY(
                   SELECT c.camera_id FROM dashboard.cameras c JOIN dashboard.grants g
                     ON g.site = c.site AND (g.camera_id IS NULL OR g.camera_id = c.camera_id)
                   WHERE g.user_id = u.user_id) AS cameras
        FROM dashboard.sessions s JOIN dashboard.users u USING (user_id)
        WHERE s.token_hash = $1 AND s.expires_at > now() AND u.disabled_at IS NULL
    """

    async def _find_session(self, token_hash: bytes) -> Viewer | None:
        row = await self._pool.fetchrow(self.SESSION, token_hash)
        if row is None:
            return None
        role = Role(row["role"])
        return Viewer(
            name=row["name"],
            role=role,
            cameras=None if role is Role.ADMIN else frozenset(row["cameras"]),
            user_id=row["user_id"],
            must_change_password=row["must_change_password"],
        )

    NAMED = """
        SELECT camera_id FROM dashboard.cameras
        WHERE site = ANY ($1) OR site || '/' || name = ANY ($1)
    """

    async def _named(self, names: tuple[str, ...]) -> frozenset[int]:
        rows = await self._pool.fetch(self.NAMED, list(names))
        return frozenset(row["camera_id"] for row in rows)
