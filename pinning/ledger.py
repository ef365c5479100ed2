"""The ledger of blocks: what the hub holds and whose bytes they are. SQL of both tables.

Every function wants a connection inside a transaction that holds the CIDs' locks, unless it says
otherwise.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pinhole.contract.cid import Cid
from pinhole.contract.owners import Owner
from pinhole.runtime.postgres import Connection, Pool
from pinning.wants import Arrival, Want


@dataclass(frozen=True)
class Standing:
    """How a want stands, read under its lock."""

    erased: bool
    held: bool
    """Whether the hub's Kubo has the block under a pin of ours."""
    bound: bool
    """Whether these bytes came from this owner before."""
    wanted: bool
    """Whether a pin of this owner still asks for it."""


READ = """
    SELECT t.cid IS NOT NULL AS erased, coalesce(b.state = 'held' AND NOT b.in_file_tree, false)
           AS held,
           n.cid IS NOT NULL AS bound,
           EXISTS (SELECT FROM pinning.pins AS p WHERE p.cid = w.cid AND p.owner = w.owner)
               AS wanted
    FROM unnest($1::bytea[], $2::text[]) WITH ORDINALITY AS w (cid, owner, ordinal)
    LEFT JOIN pinning.tombstones AS t USING (cid)
    LEFT JOIN pinning.blocks AS b USING (cid)
    LEFT JOIN pinning.bindings AS n USING (cid, owner)
    ORDER BY w.ordinal
"""


async def read(connection: Connection, wants: Sequence[Want]) -> list[Standing]:
    """Return how each of `wants` stands, in their order."""
    rows = await connection.fetch(READ, *_columns(wants))
    return [Standing(*row.values()) for row in rows]


# One statement: the block is held, the binding made, every pin that waited for it is `pinned`.
# Parts of one statement see the same snapshot, so the pins that claim are read, not inferred.
RECORD = """
    WITH kept AS (
        SELECT * FROM unnest($1::bytea[], $2::text[], $3::pinning.source[], $4::bigint[],
                             $5::bytea[], $6::boolean[], $7::float8[])
            AS k (cid, owner, source, size_bytes, sha256, is_tree, expires_after_s)
    ), block AS (
        INSERT INTO pinning.blocks (cid, is_tree, size_bytes, sha256, in_file_tree)
        SELECT DISTINCT ON (cid) cid, is_tree, size_bytes, sha256, $8 FROM kept ORDER BY cid
        ON CONFLICT (cid) DO UPDATE SET state = 'held', releasing_at = NULL, held_at = now(),
            in_file_tree = excluded.in_file_tree
            WHERE blocks.state <> 'held' OR blocks.in_file_tree <> excluded.in_file_tree
    ), pin AS (
        UPDATE pinning.pins AS p
        SET status = 'pinned', settled_at = now(), next_attempt_at = NULL, reason = NULL,
            details = NULL, retryable = NULL, size_bytes = kept.size_bytes
        FROM kept
        WHERE p.cid = kept.cid AND p.owner = kept.owner AND p.status <> 'pinned'
    )
    INSERT INTO pinning.bindings AS n (cid, owner, source, expires_at, claimed_at)
    SELECT cid, owner, source,
           CASE WHEN NOT claimed THEN now() + make_interval(secs => expires_after_s) END,
           CASE WHEN claimed THEN now() END
    FROM kept, LATERAL (SELECT expires_after_s IS NULL OR EXISTS (
        SELECT FROM pinning.pins AS p WHERE p.cid = kept.cid AND p.owner = kept.owner
    ) AS claimed) AS c
    ON CONFLICT (cid, owner) DO UPDATE
        SET expires_at = CASE WHEN n.claimed_at IS NULL THEN excluded.expires_at END,
            claimed_at = coalesce(n.claimed_at, excluded.claimed_at)
"""


async def record(
    connection: Connection, arrivals: Collection[Arrival], *, in_file_tree: bool = False
) -> None:
    """Write that the hub holds and pinned `arrivals`, at most one a want, each for its owner.

    With `in_file_tree` they lie as files in the tree, and not in Kubo.
    """
    rows = [
        (
            arrival.want.cid.binary,
            arrival.want.owner.text,
            arrival.source.value,
            arrival.size_bytes,
            arrival.sha256,
            not arrival.want.cid.is_frame,
            arrival.expires_after_s,
        )
        for arrival in arrivals
    ]
    columns = map(list, zip(*rows, strict=True))
    await connection.execute(RECORD, *columns, in_file_tree)


PLACE = """
    SELECT b.in_file_tree FROM pinning.bindings AS n JOIN pinning.blocks AS b USING (cid)
    WHERE n.cid = $1 AND n.owner = $2 AND b.state = 'held'
"""


async def is_in_file_tree(pool: Pool, want: Want) -> bool | None:
    """Whether a want's bytes lie in the file tree; None where its owner has none here.

    Needs no lock: who reads them notices if they went meanwhile.
    """
    place: bool | None = await pool.fetchval(PLACE, want.cid.binary, want.owner.text)
    return place


CLAIM = """
    WITH bound AS (
        SELECT b.cid, b.owner, k.size_bytes FROM pinning.bindings AS b
        JOIN unnest($1::bytea[], $2::text[]) AS w (cid, owner) USING (cid, owner)
        JOIN pinning.blocks AS k USING (cid)
        WHERE k.state = 'held'
    ), claimed AS (
        UPDATE pinning.bindings AS b SET expires_at = NULL, claimed_at = now()
        FROM bound WHERE b.cid = bound.cid AND b.owner = bound.owner AND b.claimed_at IS NULL
    ), pin AS (
        UPDATE pinning.pins AS p
        SET status = 'pinned', settled_at = now(), next_attempt_at = NULL, reason = NULL,
            details = NULL, retryable = NULL, size_bytes = bound.size_bytes
        FROM bound WHERE p.cid = bound.cid AND p.owner = bound.owner AND p.status <> 'pinned'
    )
    SELECT cid, owner FROM bound
"""


async def claim(connection: Connection, wants: Collection[Want]) -> set[Want]:
    """Settle the pins of those `wants` whose bytes came from their owner; return which."""
    rows = await connection.fetch(CLAIM, *_columns(wants))
    return {Want(Owner.parse(row["owner"]), Cid.from_binary(row["cid"])) for row in rows}


IS_ANOTHERS = """
    SELECT EXISTS (SELECT FROM pinning.bindings WHERE cid = $1 AND owner <> $2)
        OR EXISTS (SELECT FROM pinning.pins
                   WHERE cid = $1 AND owner <> $2 AND owner LIKE 'camera:%')
"""


async def is_anothers(pool: Pool, want: Want) -> bool:
    """Whether the same bytes came from another owner, or a camera said that it has them.

    What an outside client names does not count: naming is no claim. Needs no lock.
    """
    return bool(await pool.fetchval(IS_ANOTHERS, want.cid.binary, want.owner.text))


async def is_known(connection: Connection, cid: Cid) -> bool:
    """Whether the hub has, or had until its release, the block under a pin of ours."""
    query = "SELECT EXISTS (SELECT FROM pinning.blocks WHERE cid = $1)"
    return bool(await connection.fetchval(query, cid.binary))


def _columns(wants: Collection[Want]) -> tuple[list[bytes], list[str]]:
    return [want.cid.binary for want in wants], [want.owner.text for want in wants]
