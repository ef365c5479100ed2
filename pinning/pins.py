"""What may be done with pins: add, replace, delete. Each leaves rows, counts and blocks agreed."""

import asyncio
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID

from pinhole.contract.cid import Cid
from pinhole.contract.errors import NotFound
from pinhole.contract.owners import Owner
from pinhole.runtime.postgres import Connection, Pool
from pinning import departures, ledger, store
from pinning.attempts import Attempts
from pinning.locks import lock
from pinning.retention import holds
from pinning.store import Added, NewPin, StoredPin
from pinning.wants import PINNED, Outcome, Want

Key: TypeAlias = tuple[Cid, str | None]
"""A pin within a batch: its CID and what tells it from another pin of the same CID."""


@dataclass(frozen=True)
class _Written:
    """Rows that were written; contains what has to come from its owner still."""

    added: dict[Key, Added]
    missing: AbstractSet[Want]

    def __contains__(self, want: object) -> bool:
        return want in self.missing


class Pins:
    """The pins of all owners."""

    def __init__(self, pool: Pool, attempts: Attempts, *, lease: timedelta) -> None:
        self._pool = pool
        self._attempts = attempts
        self._lease = lease

    async def add(
        self, owner: Owner, pins: Sequence[NewPin], *, wait_s: float = 0
    ) -> dict[Key, Added]:
        """Write pins and attempt what is not here yet; return how each stands.

        Returns when all are settled or `wait_s` has passed. If cancelled, the pins stay written
        and the attempts go on.
        """
        wants = {Want(owner, pin.cid) for pin in pins}
        watched = {want: self._attempts.watch(want) for want in wants}
        try:
            writing = asyncio.create_task(self._write(owner, pins, durable=wait_s == 0))
            begun: set[Want] = set()
            if wait_s > 0 and owner.as_camera is not None:
                # A camera's gateway answers in about the time that writing the rows takes.
                begun = {want for want in wants if self._attempts.begin_early(want, writing)}
            written = await asyncio.shield(writing)
            for want in written.missing - begun:
                self._attempts.begin(want)
            missing = [watched[want] for want in written.missing]
            if missing and wait_s > 0:
                await asyncio.wait(missing, timeout=wait_s)
            pinned = {want for want in written.missing if _is_pinned(watched[want])}
        finally:
            for future in watched.values():
                future.cancel()
        added = {
            key: replace(pin, outcome=PINNED) if Want(owner, key[0]) in pinned else pin
            for key, pin in written.added.items()
        }
        return await self._read_late(added) if wait_s > 0 else added

    async def _write(self, owner: Owner, pins: Sequence[NewPin], *, durable: bool) -> "_Written":
        # Settling commits durably, which makes the rows before it in the log durable too.
        added = await store.add(self._pool, owner, pins, self._lease, durable=durable)
        unsettled = {key: pin for key, pin in added.items() if not pin.outcome.is_settled}
        here = {Want(owner, cid) for (cid, _), pin in unsettled.items() if pin.bound}
        if here:
            here = await self._attempts.claim(here)
        for key, pin in unsettled.items():
            if Want(owner, key[0]) in here:
                added[key] = replace(pin, outcome=PINNED)
        return _Written(added, {Want(owner, cid) for cid, _ in unsettled} - here)

    async def _read_late(self, added: dict[Key, Added]) -> dict[Key, Added]:
        """Read again what is not pinned: why it failed or waits; another process may be at it."""
        late = [pin.requestid for pin in added.values() if not pin.outcome.is_settled]
        if not late:
            return added
        await store.make_durable(self._pool)
        outcomes = await store.outcomes(self._pool, late)
        return {
            key: replace(pin, outcome=outcomes.get(pin.requestid, pin.outcome))
            for key, pin in added.items()
        }

    async def get(self, owner: Owner, requestid: UUID) -> StoredPin:
        """Return the owner's pin.

        Raises:
            NotFound: there is none, or it is another owner's.
        """
        pin = await store.get(self._pool, owner, requestid)
        if pin is None:
            raise _no_such_pin(requestid)
        return pin

    async def delete(self, owner: Owner, requestid: UUID) -> None:
        """Delete a pin; the block goes when nobody needs it any more, shortly after.

        Raises:
            NotFound: there is none, or it is another owner's.
            Held: a hold is about it.
        """
        pin = await self.get(owner, requestid)
        async with self._pool.acquire() as connection, connection.transaction():
            await lock(connection, [pin.want.cid])
            await _delete(connection, pin)

    async def replace(self, owner: Owner, requestid: UUID, new: NewPin) -> StoredPin:
        """Put a new pin in an old one's place: a new requestid, and the old one is unknown.

        Where the CID is the same, the bytes stay and the new pin is pinned at once.

        Raises:
            NotFound: there is none, or it is another owner's.
            Held: a hold is about the old one.
        """
        old = await self.get(owner, requestid)
        want = Want(owner, new.cid)
        async with self._pool.acquire() as connection, connection.transaction():
            await lock(connection, [old.want.cid, new.cid])
            added = await store.add(connection, owner, [new], self._lease)
            bound = await ledger.claim(connection, [want])
            await _delete(connection, old)
        if want not in bound:
            self._attempts.begin(want)
        (pin,) = added.values()
        return await self.get(owner, pin.requestid)


async def _delete(connection: Connection, pin: StoredPin) -> None:
    await holds.check(connection, pin.want.cid, pin.requestid)
    if not await store.delete(connection, pin.want.owner, pin.requestid):
        raise _no_such_pin(pin.requestid)  # deleted by another call meanwhile
    await departures.drop(connection, [pin.want])


def _is_pinned(watched: "asyncio.Future[Outcome]") -> bool:
    return watched.done() and watched.result() == PINNED


def _no_such_pin(requestid: UUID) -> NotFound:
    return NotFound(f"there is no pin {requestid}")
