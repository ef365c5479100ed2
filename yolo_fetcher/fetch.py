"""Frames by CID, from the hub's trustless gateway; the runtime verifies every byte."""

import asyncio
import time
from dataclasses import dataclass

from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid, InvalidCid
from pinhole.runtime.kubo import TrustlessGateway
from yolo_fetcher.metrics import STAGE_SECONDS


@dataclass(frozen=True, slots=True)
class Fetched:
    """A frame's bytes, which hash to its CID, and how long they took to come."""

    data: bytes
    seconds: float


class Frames:
    """The hub's frames, a bounded number fetched at once."""

    def __init__(
        self, gateway: TrustlessGateway, *, limit_bytes: int, timeout_s: float, at_once: int
    ) -> None:
        self._gateway = gateway
        self._limit_bytes = min(limit_bytes, MAX_BLOCK_BYTES)
        self._timeout_s = timeout_s
        self._at_once = asyncio.Semaphore(at_once)

    async def fetch(self, cid: Cid) -> Fetched:
        """Return the bytes that `cid` names.

        Raises:
            InvalidCid: reason CID_CODEC, it is a tree and no frame.
            BlockMissing, BlockMismatch, BlockTooLarge, KuboTimeout, KuboError: see the gateway.
        """
        if not cid.is_frame:
            raise InvalidCid(
                f"{cid} is a tree of blocks; a frame is one raw block", reason="CID_CODEC"
            )
        async with self._at_once:
            started = time.perf_counter()
            data = await self._gateway.fetch(
                cid, limit_bytes=self._limit_bytes, timeout_s=self._timeout_s
            )
            seconds = time.perf_counter() - started
        STAGE_SECONDS.labels("fetch").observe(seconds)
        return Fetched(data, seconds)
