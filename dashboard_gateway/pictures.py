"""A frame's bytes, verified: from memory, or from the hub's trustless gateway.

No byte leaves here that was not hashed against its CID (invariant 4). Verified once, a picture is
kept in memory under its digest; whoever removes a frame drops it from here too.
"""

import logging
from dataclasses import dataclass
from typing import Final

from multidict import CIMultiDict

from dashboard_gateway.caches import ByteCache, Flights
from dashboard_gateway.hub import HubGateway
from dashboard_gateway.trees import read_root
from pinhole.contract.cid import Cid
from pinhole.contract.dag_pb import BadTree
from pinhole.contract.errors import DeadlineExceeded, PinholeError, Refused, TooLarge
from pinhole.contract.picture import Data, media_type_of
from pinhole.runtime import hashing
from pinhole.runtime.kubo import BlockMismatch

logger = logging.getLogger(__name__)

_RETRY_AFTER_S: Final = 5.0
_ENTRY_BYTES: Final = 2048  # what the headers and the dictionary's entry take beside the bytes


class Unreachable(DeadlineExceeded):
    """The frame is known and may be seen, but its bytes cannot be had now."""

    reason = "BYTES_UNREACHABLE"


class NotAnImage(Refused):
    """The bytes are held and verified, and they are no picture.

    Only pictures are ever served: HTML or SVG named .jpg is neither.
    """

    reason = "NOT_AN_IMAGE"
    status = 415


@dataclass(frozen=True)
class Picture:
    """Verified bytes with what is always said of them."""

    data: Data
    media_type: str
    etag: str
    headers: CIMultiDict[str]


@dataclass(frozen=True)
class FrameBytes:
    """Which bytes a frame consists of: its CID, and the hash of the whole (other for a tree)."""

    cid: Cid
    sha256: bytes


class Pictures:
    """Verified pictures, most recently used ones in memory."""

    def __init__(
        self,
        hub: HubGateway,
        *,
        limit_bytes: int,
        tree_limit_bytes: int,
        timeout_s: float,
    ) -> None:
        self._hub = hub
        self._tree_limit_bytes = tree_limit_bytes
        self._timeout_s = timeout_s
        self._cache: ByteCache[bytes, Picture] = ByteCache(
            limit_bytes, lambda picture: len(picture.data) + _ENTRY_BYTES
        )
        self._flights: Flights[bytes, Picture] = Flights()

    async def get(self, wanted: FrameBytes) -> Picture:
        """Return the picture, fetched and hashed once for all who ask meanwhile.

        Raises:
            Unreachable: the hub does not have it, does not answer, or sent other bytes.
            NotAnImage: the bytes are what the CID names, and no picture.
        """
        digest = wanted.cid.digest
        picture = self._cache.get(digest)
        if picture is None:
            picture = await self._flights.run(digest, lambda: self._fetch(wanted))
        return picture

    def drop(self, digest: bytes) -> None:
        """Forget a picture that was released or erased, also one that is on its way."""
        self._cache.drop(digest)
        self._flights.forget(digest)

    def clear(self) -> None:
        """Forget every picture."""
        self._cache.clear()
        self._flights.clear()

    @property
    def size_bytes(self) -> int:
        """What the kept pictures take."""
        return self._cache.size_bytes

    async def _fetch(self, wanted: FrameBytes) -> Picture:
        cid = wanted.cid
        try:
            data: Data = await (self._block(cid) if cid.is_frame else self._tree(wanted))
        except (TooLarge, BadTree):
            raise
        except BlockMismatch as error:
            logger.exception("the hub's bytes of %s are damaged", cid)
            raise _unreachable(cid, error) from error
        except PinholeError as error:
            raise _unreachable(cid, error) from error
        media_type = media_type_of(data)
        if media_type is None:
            raise NotAnImage(f"the {len(data)} bytes of {cid} are no picture and are not served")
        picture = _picture(cid, data, str(media_type))
        if self._flights.flying(cid.digest):  # not dropped meanwhile
            self._cache.put(cid.digest, picture)
        return picture

    async def _block(self, cid: Cid) -> bytearray:
        return await self._hub.fetch(cid, timeout_s=self._timeout_s)

    async def _tree(self, wanted: FrameBytes) -> bytes:
        """Return a tree's bytes: the root and every leaf verified, then the whole."""
        root = read_root(bytes(await self._block(wanted.cid)))
        if root.size_bytes > self._tree_limit_bytes:
            raise TooLarge(
                f"the upload has {root.size_bytes} bytes, the limit is {self._tree_limit_bytes}"
            )
        data = b"".join([await self._block(leaf) for leaf in root.leaves])
        if await hashing.sha256(data) != wanted.sha256:
            raise BlockMismatch(f"the leaves of {wanted.cid} are not the file that was stored")
        return data


def _unreachable(cid: Cid, error: PinholeError) -> Unreachable:
    return Unreachable(
        f"the bytes of {cid} cannot be had now: {error.details}", retry_after_s=_RETRY_AFTER_S
    )


def _picture(cid: Cid, data: Data, media_type: str) -> Picture:
    etag = f'"{cid}"'
    return Picture(data, media_type, etag, picture_headers(media_type, etag, str(cid)))


def picture_headers(media_type: str, etag: str, name: str) -> CIMultiDict[str]:
    """Return what every answer with these bytes says.

    The bytes are somebody's upload on the dashboard's own origin: `nosniff` and the sandbox keep a
    browser from ever running them, whatever they pretend to be.
    """
    extension = media_type.removeprefix("image/")
    return CIMultiDict(
        {
            "Content-Type": media_type,
            "ETag": etag,
            "Accept-Ranges": "bytes",
            "Content-Disposition": f'inline; filename="{name}.{extension}"',
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Cross-Origin-Resource-Policy": "same-origin",
            # Another login in the same browser must not be answered from its cache.
            "Vary": "Cookie, Authorization",
        }
    )
