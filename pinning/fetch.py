"""Fetching: bytes from their owner's own node, verified, or the reason why not.

A camera is asked at its enrolled gateway only: its word "I do not have it" is final, and its
bytes prove themselves. Bitswap is for owners without a gateway that answers.
"""

import asyncio
import time
from collections import defaultdict
from typing import Final

import aiohttp

from pinhole.contract.errors import PinholeError
from pinhole.contract.pins import Origin
from pinhole.runtime.kubo import BlockMismatch, BlockMissing, BlockTooLarge, TrustlessGateway
from pinhole.runtime.postgres import Pool
from pinning import store
from pinning.bitswap import Bitswap
from pinning.metrics import FETCH_SECONDS, FETCHED_BYTES
from pinning.origins import Origins
from pinning.settings import PinningSettings
from pinning.wants import Arrival, NotKept, Reason, Source, Want

# An origin that did not answer is left alone this long, so that hundreds of frames of a dead
# camera do not each wait for a connection.
COOL_DOWN_S: Final = 1.0


class Fetcher:
    """Gets bytes from their owners."""

    def __init__(
        self,
        pool: Pool,
        session: aiohttp.ClientSession,
        origins: Origins,
        bitswap: Bitswap,
        settings: PinningSettings,
    ) -> None:
        self._pool = pool
        self._session = session
        self._origins = origins
        self._bitswap = bitswap
        self._settings = settings
        self._quiet_until: dict[str, float] = {}
        self._slots: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(settings.fetches_per_origin)
        )

    async def fetch(self, want: Want) -> Arrival:
        """Return the verified bytes of `want`, sent by its owner.

        Raises:
            NotKept: with the reason, and whether a later attempt may succeed.
        """
        started = time.perf_counter()
        if want.owner.as_camera is not None:
            arrival = await self._from_camera(want)
        else:
            # The client dials the hub itself; what may be dialled here is a help, no condition.
            await self._bitswap.dial(await store.dialled(self._pool, want))
            arrival = await self._bitswap.fetch(want)
        FETCH_SECONDS.labels(arrival.source).observe(time.perf_counter() - started)
        FETCHED_BYTES.labels(arrival.source).inc(arrival.size_bytes)
        return arrival

    async def _from_camera(self, want: Want) -> Arrival:
        if not want.cid.is_frame:
            raise NotKept(Reason.CID_CODEC, f"{want.cid} is a tree; a frame is one raw block")
        origin = await self._origins.find(want.owner)
        if origin is None or not (origin.gateway_url or _has_peer(origin)):
            raise NotKept(Reason.UNKNOWN_ORIGIN, f"no address is enrolled for {want.owner}")
        if origin.gateway_url is not None:
            try:
                return await self._from_gateway(want, origin.gateway_url)
            except NotKept as why:
                may_fall_back = self._settings.bitswap_fallback and _has_peer(origin)
                if why.reason is not Reason.ORIGIN_UNREACHABLE or not may_fall_back:
                    raise
        return await self._from_peer(want, origin)

    async def _from_gateway(self, want: Want, url: str) -> Arrival:
        self._check_quiet(url)
        gateway = TrustlessGateway(self._session, url)
        try:
            async with self._slots[url]:
                data = await gateway.fetch(
                    want.cid,
                    timeout_s=self._settings.fetch_timeout_s,
                    connect_timeout_s=self._settings.connect_timeout_s,
                )
        except BlockMissing as error:
            raise NotKept(Reason.NOT_AT_ORIGIN, f"{want.owner}: {error.details}") from error
        except BlockMismatch as error:
            raise NotKept(Reason.HASH_MISMATCH, f"{want.owner}: {error.details}") from error
        except BlockTooLarge as error:
            raise NotKept(Reason.TOO_LARGE, f"{want.owner}: {error.details}") from error
        except PinholeError as error:
            self._quiet_until[url] = time.monotonic() + COOL_DOWN_S
            raise _unreachable(f"{want.owner} at {url}: {error.details}") from error
        return Arrival(want, Source.ORIGIN, len(data), data)

    async def _from_peer(self, want: Want, origin: Origin) -> Arrival:
        self._check_quiet(want.owner.text)
        addresses = [f"{address}/p2p/{origin.peer_id}" for address in origin.addresses]
        if not await self._bitswap.dial(addresses):
            self._quiet_until[want.owner.text] = time.monotonic() + COOL_DOWN_S
            raise _unreachable(f"{want.owner}: no address of its node can be dialled")
        return await self._bitswap.fetch(want)

    def _check_quiet(self, place: str) -> None:
        if time.monotonic() < self._quiet_until.get(place, 0.0):
            raise _unreachable(
                f"{place} did not answer within the last {COOL_DOWN_S:g} s", tried=False
            )


def _has_peer(origin: Origin) -> bool:
    return origin.peer_id is not None and bool(origin.addresses)


def _unreachable(details: str, *, tried: bool = True) -> NotKept:
    return NotKept(Reason.ORIGIN_UNREACHABLE, details, retryable=True, tried=tried)
