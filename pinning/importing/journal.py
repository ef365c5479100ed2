"""The journal of imports: where each has come, and what it skipped. SQL of both tables.

It is kept in PostgreSQL, beside the pins, and not in a file of the importer's own: only so can the
pins of a chunk and the place behind it become true in one commit.
"""

import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from pinhole.contract.errors import Conflict, NotFound
from pinhole.contract.ids import uuid7
from pinhole.contract.owners import Owner
from pinhole.runtime.postgres import Connection, Pool
from pinning.importing.files import Skip, Skipped


class TakenOver(Conflict):
    """Another process goes on with this import."""

    reason = "TAKEN_OVER"


@dataclass(frozen=True)
class Counts:
    """What became of files so far."""

    imported: int = 0
    known: int = 0
    """Pinned for this owner before; verified all the same."""
    skipped: int = 0
    bytes: int = 0
    """Of the imported ones."""

    @property
    def files(self) -> int:
        """All that were looked at."""
        return self.imported + self.known + self.skipped

    def __add__(self, more: "Counts") -> "Counts":
        mine, theirs = asdict(self), asdict(more)
        return Counts(**{name: mine[name] + theirs[name] for name in mine})


@dataclass(frozen=True)
class Import:
    """One walk over one tree for one owner."""

    import_id: UUID
    tree: str
    owner: Owner
    runner: UUID
    cursor: str | None
    """Path of the last settled file, relative to the tree."""
    counts: Counts
    started_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, row: asyncpg.Record) -> "Import":
        """Return the import of a whole row."""
        cursor = row["cursor"]
        return cls(
            import_id=UUID(int=row["import_id"].int),
            tree=row["tree"],
            owner=Owner.parse(row["owner"]),
            runner=UUID(int=row["runner"].int),
            cursor=os.fsdecode(cursor) if cursor is not None else None,
            counts=Counts(row["imported"], row["known"], row["skipped"], row["bytes"]),
            started_at=row["started_at"],
            finished_at=row["finished_at"],
        )


BEGIN = """
    INSERT INTO pinning.imports (import_id, tree, owner, runner) VALUES ($1, $2, $3, $4)
    ON CONFLICT (tree, owner) WHERE finished_at IS NULL DO UPDATE SET runner = excluded.runner
    RETURNING *
"""


async def begin(pool: Pool, tree: str, owner: Owner) -> Import:
    """Return the unfinished import of this tree for this owner, or a new one, now this process's.

    A process that was at it before stops at its next chunk.
    """
    (row,) = await pool.fetch(BEGIN, uuid7(), tree, owner.text, uuid7())
    return Import.of(row)


ADVANCE = """
    UPDATE pinning.imports SET
        cursor = $3, imported = imported + $4, known = known + $5, skipped = skipped + $6,
        bytes = bytes + $7, updated_at = now()
    WHERE import_id = $1 AND runner = $2 AND finished_at IS NULL
    RETURNING import_id
"""
SKIP = """
    INSERT INTO pinning.import_skips (import_id, path, reason, details)
    SELECT $1, * FROM unnest($2::bytea[], $3::text[], $4::text[])
"""


async def advance(
    connection: Connection, run: Import, to: str, more: Counts, skipped: Sequence[Skipped]
) -> None:
    """Write that everything up to the path `to` is settled, inside the chunk's transaction.

    Raises:
        TakenOver: another process began to go on with it; nothing may be written any more.
    """
    counts = (more.imported, more.known, more.skipped, more.bytes)
    place = os.fsencode(to)
    if await connection.fetchval(ADVANCE, run.import_id, run.runner, place, *counts) is None:
        raise TakenOver(f"another process goes on with the import {run.import_id}")
    if skipped:
        paths = [os.fsencode(skip.path) for skip in skipped]
        words = [s.reason.value for s in skipped], [s.details for s in skipped]
        await connection.execute(SKIP, run.import_id, paths, *words)


FINISH = """
    UPDATE pinning.imports SET finished_at = now(), updated_at = now()
    WHERE import_id = $1 AND runner = $2 AND finished_at IS NULL RETURNING *
"""


async def finish(pool: Pool, run: Import) -> Import:
    """Write that the whole tree was walked; return the import as it ended.

    Raises:
        TakenOver: another process began to go on with it.
    """
    row = await pool.fetchrow(FINISH, run.import_id, run.runner)
    if row is None:
        raise TakenOver(f"another process goes on with the import {run.import_id}")
    return Import.of(row)


async def find(pool: Pool, import_id: UUID) -> Import:
    """Return an import.

    Raises:
        NotFound: there is none of this id.
    """
    row = await pool.fetchrow("SELECT * FROM pinning.imports WHERE import_id = $1", import_id)
    if row is None:
        raise NotFound(f"there is no import {import_id}; `pinhole imports` lists them")
    return Import.of(row)


async def newest(pool: Pool, limit: int = 100) -> list[Import]:
    """Return the imports, newest first."""
    query = "SELECT * FROM pinning.imports ORDER BY started_at DESC, import_id DESC LIMIT $1"
    return [Import.of(row) for row in await pool.fetch(query, limit)]


SKIPS = "SELECT path, reason, details FROM pinning.import_skips WHERE import_id = $1 ORDER BY path"


async def skips(pool: Pool, run: Import) -> AsyncIterator[Skipped]:
    """Yield what an import skipped, in the tree's order; never all of it at once in memory."""
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        async for row in connection.cursor(SKIPS, run.import_id, prefetch=500):
            yield Skipped(os.fsdecode(row["path"]), Skip(row["reason"]), row["details"])


def shown(path: str) -> str:
    """Return a path as it can be printed and sent: what is no UTF-8 in it is escaped."""
    return path.encode("utf-8", "backslashreplace").decode()
