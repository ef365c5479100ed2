"""Pressure: keeps the hub from filling up. Releases early, then refuses, in a stated order.

1. Room below the headroom: what policies call expendable goes before its time, oldest first.
2. Nothing expendable is left (holds and kept things alone): alarm, and low-value intake is refused:
   bytes that no pin has claimed, and pins of outside clients.
3. No room at all: cameras' frames too. They stay at their cameras, which keep what is not pinned.

A hold wins over all of it: sources of expendable things never name a held one.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from pinhole.contract.errors import PinholeError, Unavailable
from pinhole.contract.owners import Owner
from pinhole.runtime.postgres import Pool
from pinhole.runtime.tasks import Pulse
from pinning import departures
from pinning.hub import Hub
from pinning.metrics import PRESSURE, RELEASED_EARLY_BYTES, ROOM_BYTES, STORE_BYTES
from pinning.room import Limits, Room, Usage, held_bytes, room, usage
from pinning.turns import Work, turn

logger = logging.getLogger(__name__)

EVERY_S: Final = 5.0
_RETRY_AFTER_S: Final = 30.0
# Bytes may be pushed a while before the pin that claims them is made; younger ones stay.
_CLAIMED_WITHIN: Final = timedelta(hours=1)
_UNCLAIMED_BATCH: Final = 200


class Level(StrEnum):
    """How full the hub is."""

    ROOM = "room"
    TIGHT = "tight"
    """Only held and kept things are left: low-value intake is refused."""
    FULL = "full"
    """Nothing more is taken."""


class HubFull(Unavailable):
    """The hub's store or disk is at its limit; the value and the limit are told."""

    reason = "HUB_FULL"


class Expendable(Protocol):
    """Something that can be released before its time. Policies give one; so does `Unclaimed`."""

    async def make_room(self, wanted_bytes: int) -> int:
        """Let go about `wanted_bytes`, the least valuable first; return the bytes that go.

        Zero says that nothing expendable is left. Never names what a hold keeps.
        """


class Unclaimed:
    """Pushed bytes that no pin has claimed for an hour: they would go after 24 anyway."""

    def __init__(self, pool: Pool, *, kept_for: timedelta) -> None:
        self._pool = pool
        self._kept_for = kept_for

    async def make_room(self, wanted_bytes: int) -> int:
        """Let go the oldest."""
        until = datetime.now(UTC) + self._kept_for - min(_CLAIMED_WITHIN, self._kept_for)
        gone_bytes = 0
        while gone_bytes < wanted_bytes:
            dropped = await departures.drop_unclaimed(self._pool, until, _UNCLAIMED_BATCH)
            if dropped is None:
                break
            gone_bytes += dropped.size_bytes
        return gone_bytes


class Pressure:
    """Watches the room, makes some where it can, and says what may come in."""

    def __init__(
        self, pool: Pool, hub: Hub, limits: Limits, expendable: Sequence[Expendable]
    ) -> None:
        self._pool = pool
        self._hub = hub
        self._limits = limits
        self._expendable = expendable
        self.level = Level.ROOM
        self._sentence = ""
        self._let_go_bytes = 0

    async def run(self, pulse: Pulse) -> None:
        """Look every few seconds, for ever."""
        while True:
            try:
                await self.look()
            except PinholeError as error:
                # The hub's own check is red then; the last level stands.
                logger.warning("the hub's room is not known: %s", error.details)
            pulse.beat()
            if self.level is not Level.ROOM:
                pulse.fail(self._problem)
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Measure; where room is short, let expendable things go; set the level.

        Raises:
            PinholeError: the node does not tell.
        """
        used = await usage(self._hub.rpc, timeout_s=10)
        here = room(self._limits, used)
        STORE_BYTES.set(used.store_bytes)
        ROOM_BYTES.set(here.size_bytes)
        self._sentence = here.sentence
        eased = here.size_bytes >= self._limits.headroom_bytes or await self._ease(used)
        self.level = _level(here, eased=eased)
        for level in Level:
            PRESSURE.labels(level).set(level is self.level)

    async def _ease(self, used: Usage) -> bool:
        """Let go what is missing to the headroom; return whether there will be enough."""
        garbage_bytes = await self._garbage(used)
        free_bytes = used.free_bytes + garbage_bytes if used.free_bytes is not None else None
        coming = room(self._limits, Usage(used.store_bytes - garbage_bytes, free_bytes))
        missing_bytes = self._limits.headroom_bytes - coming.size_bytes
        if missing_bytes <= 0:
            return True
        async with turn(self._pool, Work.MAKING_ROOM) as mine:
            if not mine:
                # Another process is at it; the next look tells.
                return self.level is not Level.TIGHT
            return await self._release(missing_bytes) > 0

    async def _garbage(self, used: Usage) -> int:
        """Return the bytes that were let go and that the store has not given back yet.

        They will be room: a store that frees at compaction (pebble) must not make more go than
        is needed. The ledger bounds them, for what arrives meanwhile hides what is given back.
        """
        if self._let_go_bytes:
            excess_bytes = max(0, used.store_bytes - await held_bytes(self._pool))
            self._let_go_bytes = min(self._let_go_bytes, excess_bytes)
        return self._let_go_bytes

    async def _release(self, missing_bytes: int) -> int:
        gone_bytes = 0
        for source in self._expendable:
            if gone_bytes < missing_bytes:
                gone_bytes += await source.make_room(missing_bytes - gone_bytes)
        if gone_bytes:
            logger.warning(
                "%s: %s bytes are released before their time", self._sentence, gone_bytes
            )
        self._let_go_bytes += gone_bytes
        RELEASED_EARLY_BYTES.inc(gone_bytes)
        return gone_bytes

    def check(self, owner: Owner) -> None:
        """Check that something of `owner` may come in: bytes of its own accord, or a pin.

        Raises:
            HubFull: the hub is full, or it is tight and this is of low value: not a camera's.
        """
        is_low_value = owner.as_camera is None
        if self.level is Level.FULL or (self.level is Level.TIGHT and is_low_value):
            raise HubFull(self._problem, retry_after_s=_RETRY_AFTER_S)

    @property
    def _problem(self) -> str:
        if self.level is Level.FULL:
            return f"{self._sentence}: nothing is taken in"
        return f"{self._sentence}, and nothing left may go: unclaimed bytes and outside pins wait"


def _level(here: Room, *, eased: bool) -> Level:
    if here.size_bytes <= 0:
        return Level.FULL
    return Level.ROOM if eased else Level.TIGHT
