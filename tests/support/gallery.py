"""A filled dashboard for tests: cameras, frames whose bytes a real hub holds, users with grants."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

import aiohttp

from dashboard_gateway import passwords, sessions, users
from dashboard_gateway.viewers import Role
from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid
from pinhole.contract.detection import Detection
from pinhole.contract.ids import uuid7
from pinhole.contract.scopes import Scope
from pinhole.runtime.http import client_session
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Connection, Pool
from pinhole.runtime.tokens import create_token
from pinhole.stack.kubo_node import KuboNode

MODEL = "pinhole-demo"
MODEL_DIGEST = bytes(range(32))

ADD_CAMERA = """
    INSERT INTO dashboard.cameras (site, name, title, last_event_at) VALUES ($1, $2, $3, $4)
    RETURNING camera_id
"""
ADD_FRAME = """
    INSERT INTO dashboard.frames (
        camera_id, event_id, event_digest, digest, codec, sha256, size_bytes, media_type, width_px,
        height_px, captured_at, received_at, storage_mode, bytes_state, analysis_state, pinned_at,
        analysed_at, model_name, model_digest, classes, max_confidence, details, stream, seq,
        chain_state, attributes)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $12, $12, $16, $17,
            $18, $19, $20, $21, $22, $23, $24)
    RETURNING frame_id
"""
ADD_DETECTION = """
    INSERT INTO dashboard.detections (frame_id, ordinal, xyxy_px, confidence, class_id, class_name)
    VALUES ($1, $2, $3, $4, $5, $6)
"""
NOTIFY = "SELECT pg_notify('frames', $1)"


@dataclass(frozen=True)
class Shown:
    """A frame that was added."""

    frame_id: int
    cid: Cid
    data: bytes


def seen(class_name: str, confidence: float, *xyxy_px: float, class_id: int = 0) -> Detection:
    """Return a detection."""
    x_min, y_min, x_max, y_max = xyxy_px
    return Detection(
        xyxy_px=(x_min, y_min, x_max, y_max),
        confidence=confidence,
        class_id=class_id,
        class_name=class_name,
    )


class Gallery:
    """Adds what a test wants to look at, past the receiving half."""

    def __init__(self, pool: Pool, hub: KuboNode) -> None:
        self.pool = pool
        self._hub = hub
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = client_session()
        self.kubo = KuboRpc(self._session, self._hub.rpc_url, token=self._hub.rpc_token)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def add_camera(
        self,
        name: str,
        *,
        site: str = "north",
        title: str | None = None,
        silent_for: timedelta = timedelta(0),
    ) -> int:
        """Enrol a camera that was last heard `silent_for` ago; return its id."""
        heard_at = datetime.now(UTC) - silent_for
        camera_id: int = await self.pool.fetchval(ADD_CAMERA, site, name, title, heard_at)
        return camera_id

    async def add_frame(
        self,
        camera_id: int,
        data: bytes,
        *,
        size_px: tuple[int, int] | None = (810, 1080),
        age: timedelta = timedelta(0),
        captured_at: datetime | None = None,
        detections: Sequence[Detection] = (),
        media_type: str = "image/jpeg",
        bytes_state: str = "pinned",
        analysis_state: str = "detected",
        storage_mode: str = "reference",
        chain_state: str = "verified",
        seq: int | None = None,
        details: str | None = None,
        held: bool = True,
        attributes: Mapping[str, Any] | None = None,
    ) -> Shown:
        """Store the bytes at the hub (unless not `held`) and the frame's row; tell listeners."""
        cid = await self._stored(data) if held else Cid.of(data)
        whole = Cid.of(data)
        at = captured_at or datetime.now(UTC) - age
        width_px, height_px = size_px or (None, None)
        async with self.pool.acquire() as connection, connection.transaction():
            frame_id: int = await connection.fetchval(
                ADD_FRAME, camera_id, uuid7(), uuid.uuid4().bytes * 2, cid.digest, cid.codec.value,
                whole.digest, len(data), media_type, width_px, height_px, at,
                at + timedelta(milliseconds=80), storage_mode, bytes_state, analysis_state, MODEL,
                MODEL_DIGEST, sorted({found.class_name for found in detections}),
                max((found.confidence for found in detections), default=None), details,
                uuid7() if seq else None, seq, chain_state, dict(attributes or {}),
            )  # fmt: skip
            for ordinal, found in enumerate(detections):
                await connection.execute(
                    ADD_DETECTION, frame_id, ordinal, list(found.xyxy_px), found.confidence,
                    found.class_id, found.class_name,
                )  # fmt: skip
            await connection.execute(NOTIFY, f"[{frame_id}]")
        return Shown(frame_id, cid, data)

    async def set_state(self, frame_id: int, bytes_state: str) -> None:
        """Move a frame's bytes to another state, as the dispatcher or an erasure would."""
        statement = "UPDATE dashboard.frames SET bytes_state = $2 WHERE frame_id = $1"
        await self.pool.execute(statement, frame_id, bytes_state)

    async def add_user(
        self,
        name: str,
        role: Role = Role.VIEWER,
        *,
        grants: Sequence[str] = (),
        first: bool = False,
    ) -> str:
        """Create a user who may see `grants` ("site" or "site/camera"); return the password."""
        password = passwords.one_time()
        password_hash = await passwords.hash_of(password)
        async with self.pool.acquire() as connection:
            await users.create(connection, name, role, password_hash)
            if not first:
                await users.set_password(connection, name, password_hash, must_change=False)
            await self._grant(connection, name, grants)
        return password

    async def add_session(
        self, name: str, role: Role = Role.VIEWER, *, grants: Sequence[str] = ()
    ) -> dict[str, str]:
        """Create a user who is logged in, and has no password; return its requests' headers."""
        async with self.pool.acquire() as connection:
            await users.create(connection, name, role, "none")
            await users.set_password(connection, name, "none", must_change=False)
            await self._grant(connection, name, grants)
        return await self.session_of(name)

    async def session_of(self, name: str) -> dict[str, str]:
        """Log a user in, past the form; return the headers of its requests."""
        user = await users.find(self.pool, name)
        assert user is not None
        secret = await sessions.create(self.pool, user.user_id, timedelta(hours=1))
        return {"Cookie": f"{sessions.COOKIE}={secret}"}

    async def add_token(
        self, name: str, *, cameras: Sequence[str] | None = None, scope: Scope = Scope.FRAMES_READ
    ) -> dict[str, str]:
        """Create a bearer token; return the headers of its requests."""
        secret = await create_token(self.pool, name, [scope], cameras=cameras)
        return {"Authorization": f"Bearer {secret}"}

    @staticmethod
    async def _grant(connection: Connection, name: str, grants: Sequence[str]) -> None:
        for grant in grants:
            site, _, camera = grant.partition("/")
            await users.grant(connection, name, site, camera or None)

    async def _stored(self, data: bytes) -> Cid:
        if len(data) <= MAX_BLOCK_BYTES:
            cid = await self.kubo.block_put(data)
        else:
            cid = await self.kubo.add_tree(data)
        await self.kubo.pin_add([cid], recursive=not cid.is_frame)
        return cid
