"""Whether a viewer may load some bytes: bytes -> frame -> camera -> viewer (invariant 7).

Knowing a CID opens nothing. A frame's bytes are shown only through a frame that the viewer may see
and whose own bytes came from its camera (`pinned`): the same digest announced, but not delivered,
by another camera is no permission. Unknown and forbidden are answered with the same words.
"""

import time
from dataclasses import dataclass
from typing import Final

import asyncpg

from dashboard_gateway.caches import ByteCache
from dashboard_gateway.notices import Listener
from dashboard_gateway.pictures import FrameBytes, Unreachable
from dashboard_gateway.viewers import Viewer
from pinhole.contract.cid import Cid, Codec
from pinhole.contract.errors import Gone, NotFound
from pinhole.runtime.postgres import Pool

BYTES_GONE: Final = "dashboard_gone"
"""Notice: some frame's bytes may be shown no longer; the payload is the digest in hexadecimal."""

_BELIEVED_S: Final = 30.0
_MAX_PERMISSIONS: Final = 200_000  # about 60 MB
_RETRY_AFTER_S: Final = 2.0
_HELD: Final = frozenset({"pinned", "archived"})
_COMING: Final = frozenset({"awaited", "missing"})


@dataclass(frozen=True)
class Held:
    """Bytes that this viewer may load now."""

    bytes: FrameBytes
    storage_mode: str


class Permissions:
    """Answers for (viewer's cameras, digest); only a yes is remembered, and only while heard."""

    def __init__(self, pool: Pool, listener: Listener) -> None:
        self._pool = pool
        self._listener = listener
        self._cache: ByteCache[bytes, dict[frozenset[int] | None, tuple[float, Held]]]
        self._cache = ByteCache(_MAX_PERMISSIONS, lambda _: 1)
        self._dropped = 0

    def drop(self, digest: bytes) -> None:
        """Forget what was said of bytes that were released or erased."""
        self._dropped += 1
        self._cache.drop(digest)

    def clear(self) -> None:
        """Forget all answers."""
        self._dropped += 1
        self._cache.clear()

    async def of(self, viewer: Viewer, cid: Cid) -> Held:
        """Return the bytes that `viewer` may load under `cid`; only its hash is looked at.

        Raises:
            NotFound: no such frame, or none that this viewer may see.
            Gone: it may see the frame, whose bytes were released, erased or lost.
            Unreachable: it may see the frame, whose bytes did not come yet.
        """
        known = self._cache.get(cid.digest)
        entry = known.get(viewer.cameras) if known is not None else None
        if entry is not None and self._listener.connected.is_set() and time.monotonic() < entry[0]:
            return entry[1]
        dropped = self._dropped
        held = await self._look_up(viewer, cid)
        # An erasure heard while the query ran may be newer than its answer: do not keep that.
        if self._listener.connected.is_set() and dropped == self._dropped:
            answers = self._cache.get(cid.digest) or {}
            answers[viewer.cameras] = (time.monotonic() + _BELIEVED_S, held)
            self._cache.put(cid.digest, answers)
        return held

    # A still camera gives one digest thousands of frames: prefer any that is held, by index.
    FIND = """
        (SELECT digest, codec, sha256, bytes_state, storage_mode, details
           FROM dashboard.frames
          WHERE digest = $1 AND bytes_state = ANY ($3::dashboard.bytes_state[])
            AND ($2::integer[] IS NULL OR camera_id = ANY ($2)) LIMIT 1)
        UNION ALL
        (SELECT digest, codec, sha256, bytes_state, storage_mode, details
           FROM dashboard.frames
          WHERE digest = $1 AND ($2::integer[] IS NULL OR camera_id = ANY ($2)) LIMIT 1)
        LIMIT 1
    """
    FIND_TREE = FIND.replace("digest = $1", "sha256 = $1 AND codec <> 'raw'")

    async def _look_up(self, viewer: Viewer, cid: Cid) -> Held:
        row = await self._find(self.FIND, viewer, cid)
        if row is None:
            # A tree is also known by the hash of the whole file, which is not its root's.
            row = await self._find(self.FIND_TREE, viewer, cid)
        if row is None:
            raise NotFound("there is no such frame, or none that you may see")
        state = row["bytes_state"]
        frame = Cid(bytes(row["digest"]), Codec(row["codec"]))
        if state in _COMING:
            raise Unreachable(
                f"the bytes of {frame} are {state}: they have not come from the camera",
                retry_after_s=_RETRY_AFTER_S,
            )
        if state not in _HELD:
            because = f": {row['details']}" if row["details"] else ""
            raise Gone(
                f"the bytes of {frame} are {state}{because}", reason=f"BYTES_{state.upper()}"
            )
        return Held(FrameBytes(frame, bytes(row["sha256"])), row["storage_mode"])

    async def _find(self, query: str, viewer: Viewer, cid: Cid) -> asyncpg.Record | None:
        held = sorted(_HELD)
        row: asyncpg.Record | None = await self._pool.fetchrow(
            query, cid.digest, viewer.camera_ids, held
        )
        return row
