"""The import itself: chunk after chunk is read, kept, and written down with its place.

A few chunks are under way at once, so that reading, hashing, Kubo and PostgreSQL work at the same
time; what they hold in memory is bounded. Places are written in the tree's order: whatever is
killed, everything up to the place that is written is settled, and nothing behind it is counted.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeAlias

from pinhole.contract.cid import Cid
from pinhole.contract.errors import Unavailable
from pinhole.contract.pins import Status
from pinhole.runtime.postgres import AWAY, Connection, Pool
from pinning import ledger, store
from pinning.importing import journal
from pinning.importing.chunks import Chunks, Item, Settled, check_root, read_all
from pinning.importing.files import Skip, Skipped, Verified
from pinning.importing.journal import Counts, Import
from pinning.keeper import Keeper
from pinning.locks import lock
from pinning.store import NewPin
from pinning.wants import Arrival, NotKept, Reason, Source, Want

logger = logging.getLogger(__name__)

CHUNKS: Final = 4
"""Under way at once: one is read, two are with Kubo, one is written down. So at most 40 MB."""
KIND: Final = "import"
REFUSALS: Final = 3
"""After so many, a file that the hub refuses while it takes others is skipped."""

# Between the commit of the bytes and that of the pins. An import that is killed there and never
# gone on with leaves a few blocks that nobody claims: they go as pushed ones do.
_UNCLAIMED: Final = timedelta(hours=24)
# Nothing is ever due for a worker: pins are settled in the transaction that writes them.
_LEASE: Final = timedelta(minutes=10)


@dataclass(frozen=True)
class Patience:
    """How long an outage of Kubo or PostgreSQL is waited for."""

    first_s: float = 1
    longest_s: float = 30
    total_s: float = 600

    def pauses_s(self) -> Iterator[float]:
        """Yield the pauses between tries, each twice the one before up to the longest."""
        waited_s, pause_s = 0.0, self.first_s
        while waited_s < self.total_s:
            yield pause_s
            waited_s += pause_s
            pause_s = min(2 * pause_s, self.longest_s)


@dataclass(frozen=True)
class Step:
    """A chunk that is settled: where it ends, and what became of its files."""

    place: str
    counts: Counts
    skipped: Sequence[Skipped]


Tell: TypeAlias = Callable[[Step], None]


@dataclass
class Importer:
    """One run over one tree, for one owner. The keeper's lanes run beside it."""

    pool: Pool
    keeper: Keeper
    root: Path
    run: Import
    tell: Tell
    patience: Patience = field(default_factory=Patience)

    async def import_all(self) -> Import:
        """Import everything behind the place where the run before ended; return how it ended.

        If cancelled or killed, all that was told is written, and the next run goes on behind it.

        Raises:
            TakenOver: another process began to go on with this import.
            Refused: the tree is not there, or not any more.
            Unavailable: Kubo or PostgreSQL were away for longer than is waited for.
        """
        await check_root(self.root)
        with ThreadPoolExecutor(CHUNKS, "import") as threads:
            await self._import_chunks(Chunks(self.root, self.run.cursor), threads)
        await check_root(self.root)
        return await journal.finish(self.pool, self.run)

    async def _import_chunks(self, chunks: Chunks, threads: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        turns = asyncio.Semaphore(CHUNKS)
        before: asyncio.Task[None] | None = None
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    await turns.acquire()
                    items = await loop.run_in_executor(threads, chunks.take)
                    if not items:
                        break
                    before = group.create_task(self._import_chunk(items, threads, before))
                    before.add_done_callback(lambda _: turns.release())
        except ExceptionGroup as errors:
            # The first failure cancelled the other chunks.
            raise errors.exceptions[0] from None

    async def _import_chunk(
        self,
        items: Sequence[Item],
        threads: ThreadPoolExecutor,
        before: "asyncio.Task[None] | None",
    ) -> None:
        """Settle a chunk; write it down once the chunk before it is."""
        loop = asyncio.get_running_loop()
        settled = await loop.run_in_executor(threads, read_all, self.root, items)
        settled = await self._keep(settled)
        if before is not None:
            await before
        self.tell(await self._write(items[-1].path, settled))

    async def _keep(self, settled: Sequence[Settled]) -> list[Settled]:
        """Put, pin and bind what is verified; what the hub never takes becomes a skipped file."""
        waiting = {file.cid: file for file in settled if isinstance(file, Verified)}
        skipped: dict[str, Skipped] = {}
        chunk_files = len(waiting)
        pauses = self.patience.pauses_s()
        tries = 0
        while waiting:
            problems = await self._keep_once(list(waiting.values()))
            tries += 1
            # Where it takes others, it means this file; where it takes none, its disk is full.
            is_final = tries >= REFUSALS and len(problems) < chunk_files
            for cid, problem in problems.items():
                if skip := _skip_for(problem.reason, is_final=is_final):
                    path = waiting[cid].path
                    skipped[path] = Skipped(path, skip, problem.details)
            waiting = {cid: waiting[cid] for cid in problems if waiting[cid].path not in skipped}
            if waiting:
                await _pause(pauses, problems[next(iter(waiting))].details)
        return [skipped.get(file.path, file) for file in settled]

    async def _keep_once(self, files: Sequence[Verified]) -> dict[Cid, NotKept]:
        """Return what was not kept, by CID."""
        answers = await asyncio.gather(*map(self._keep_file, files))
        return {cid: problem for cid, problem in answers if problem is not None}

    async def _keep_file(self, file: Verified) -> tuple[Cid, NotKept | None]:
        arrival = Arrival(
            want=Want(self.run.owner, file.cid),
            source=Source.IMPORT,
            size_bytes=len(file.data),
            data=file.data,
            expires_after_s=_UNCLAIMED.total_seconds(),
        )
        try:
            await self.keeper.keep(arrival)
        except NotKept as problem:
            return file.cid, problem
        return file.cid, None

    async def _write(self, place: str, settled: Sequence[Settled]) -> Step:
        """Write pins, place, counts and skipped files: all of them or none."""
        pauses = self.patience.pauses_s()
        while True:
            try:
                async with self.pool.acquire() as connection, connection.transaction():
                    return await self._write_once(connection, place, settled)
            except (*AWAY, Unavailable) as error:
                await _pause(pauses, f"PostgreSQL: {error}")

    async def _write_once(
        self, connection: Connection, place: str, settled: Sequence[Settled]
    ) -> Step:
        files = [file for file in settled if isinstance(file, Verified)]
        skipped = [file for file in settled if isinstance(file, Skipped)]
        known = await self._pin(connection, files) if files else set()
        new = [file for file in files if file.cid not in known]
        counts = Counts(len(new), len(known), len(skipped), sum(len(file.data) for file in new))
        await journal.advance(connection, self.run, place, counts, skipped)
        return Step(place, counts, skipped)

    async def _pin(self, connection: Connection, files: Sequence[Verified]) -> set[Cid]:
        """Write the pins of kept files, settled; return which were pinned before."""
        owner = self.run.owner
        await lock(connection, [file.cid for file in files])
        pins = [self._new_pin(file) for file in files]
        added = await store.add(connection, owner, pins, _LEASE)
        claimed = await ledger.claim(connection, [Want(owner, file.cid) for file in files])
        if len(claimed) < len(files):
            raise Unavailable("a block was released between its bytes' commit and its pin's")
        return {cid for (cid, _), pin in added.items() if pin.outcome.status is Status.PINNED}

    def _new_pin(self, file: Verified) -> NewPin:
        meta = {
            "kind": KIND,
            "import_id": str(self.run.import_id),
            "source_path": f"{self.run.tree}/{file.path}",
            "stored_at": file.modified_at.isoformat(timespec="seconds"),
        }
        # One pin for each picture and owner, however often its tree is imported.
        return NewPin(file.cid, meta=meta, batch_key=KIND, size_bytes=len(file.data))


def _skip_for(reason: Reason, *, is_final: bool) -> Skip | None:
    """Return the word for a file that is skipped since the hub does not keep it, or None."""
    if reason is Reason.ERASED:
        return Skip.ERASED
    return Skip.HUB_REFUSED if reason is Reason.HUB_REFUSED and is_final else None


async def _pause(pauses: Iterator[float], problem: str) -> None:
    """Wait before the next try.

    Raises:
        Unavailable: it was tried for as long as patience goes.
    """
    pause_s = next(pauses, None)
    if pause_s is None:
        raise Unavailable(f"{problem}; the same command goes on where this one ended")
    logger.warning("%s: tried again in %g s", problem, pause_s)
    await asyncio.sleep(pause_s)
