"""What the hub acknowledges: `pinned_through` of a stream, and the frames it still wants.

A stream's row holds the ranges of seqs that have a meaning (received, rejected, declared lost). In
order that is one range, which grows at its end. `pinned_through` is the end of the first range or,
if earlier, the seq before the first frame whose bytes are still awaited: an index holds only
those. So both are kept as events come and frames are pinned, and no stream is ever scanned.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import asyncpg

from pinhole.contract.cid import Cid
from pinhole.contract.receipt import MAX_WANTED, Wanted
from pinhole.runtime.postgres import Connection

_NO_LIMIT: Final = 2**63 - 1


@dataclass(frozen=True)
class Stream:
    """A stream as it stood when its row was locked."""

    stream: UUID
    camera_id: int
    known: tuple[tuple[int, int], ...]
    """Ranges of seqs with a meaning, both ends included, ascending, not touching."""
    last_seq: int
    head_digest: bytes | None
    """Digest of the event at `last_seq`, where there is one."""

    def knows(self, seq: int) -> bool:
        """Whether `seq` has a meaning already."""
        if seq > self.last_seq:
            return False
        at = bisect_right(self.known, (seq, _NO_LIMIT)) - 1
        return at >= 0 and seq <= self.known[at][1]


@dataclass
class Advance:
    """What one commit adds to a stream."""

    stream: UUID
    ranges: list[tuple[int, int]] = field(default_factory=list)
    last_seq: int = 0
    head_digest: bytes | None = None

    def add(self, first_seq: int, last_seq: int, digest: bytes | None) -> None:
        """Give the seqs from `first_seq` to `last_seq` a meaning; `digest` is the last one's."""
        self.ranges.append((first_seq, last_seq))
        if last_seq > self.last_seq:
            self.last_seq, self.head_digest = last_seq, digest

    @property
    def multirange(self) -> str:
        """The ranges as PostgreSQL's int8multirange, which merges them."""
        return "{" + ",".join(f"[{first},{last}]" for first, last in self.ranges) + "}"


LOCK = """
    SELECT stream, camera_id, known, last_seq, head_digest FROM dashboard.streams
    WHERE stream = ANY ($1) ORDER BY stream FOR UPDATE
"""
OPEN = """
    INSERT INTO dashboard.streams (stream, camera_id)
    SELECT * FROM unnest($1::uuid[], $2::integer[]) ON CONFLICT DO NOTHING
"""


async def lock(connection: Connection, cameras: Mapping[UUID, int]) -> dict[UUID, Stream]:
    """Return the streams, new ones included, locked until the transaction ends.

    Args:
        connection: in a transaction.
        cameras: the camera_id that each stream is said to belong to. It stays with whom it was
            first seen: compare `Stream.camera_id`.
    """
    if not cameras:
        return {}
    rows = await connection.fetch(LOCK, list(cameras))
    if len(rows) < len(cameras):
        # In order, as the locks are taken: two commits that open the same streams cannot cross.
        new = sorted(cameras.keys() - {row["stream"] for row in rows})
        await connection.execute(OPEN, new, [cameras[stream] for stream in new])
        rows = await connection.fetch(LOCK, list(cameras))
    return {row["stream"]: _stream(row) for row in rows}


# Two answers in one round trip: what is acknowledged (no digest), and what is wanted; of this one
# more than is told, because whether there are more decides what may be acknowledged.
ADVANCE = """
    WITH advanced AS (
        UPDATE dashboard.streams AS s SET
            known = s.known + n.ranges,
            last_seq = GREATEST(s.last_seq, n.last_seq),
            head_digest =
                CASE WHEN n.last_seq > s.last_seq THEN n.head_digest ELSE s.head_digest END,
            pinned_through = GREATEST(s.pinned_through, LEAST(
                dashboard.received_through(s.known + n.ranges),
                (SELECT min(f.seq) - 1 FROM dashboard.frames AS f
                 WHERE f.stream = s.stream AND f.bytes_state = 'awaited'
                   AND f.seq > s.pinned_through)))
        FROM (
            SELECT stream, ranges::int8multirange, last_seq, head_digest
            FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bytea[])
                AS given (stream, ranges, last_seq, head_digest)
        ) AS n
        WHERE s.stream = n.stream RETURNING s.stream, s.camera_id, s.pinned_through
    )
    SELECT camera_id, stream, pinned_through AS seq, NULL::bytea AS digest FROM advanced
    UNION ALL
    SELECT m.camera_id, m.stream, m.seq, m.digest
    FROM unnest($5::integer[]) AS c (camera_id)
    CROSS JOIN LATERAL (
        SELECT f.camera_id, f.stream, f.seq, f.digest FROM dashboard.frames AS f
        WHERE f.camera_id = c.camera_id AND f.bytes_state = 'missing'
        ORDER BY f.stream, f.seq LIMIT $6) AS m
"""


async def advance(
    connection: Connection, advances: Collection[Advance], camera_ids: Collection[int]
) -> tuple[dict[UUID, int], dict[int, list[Wanted]]]:
    """Give seqs their meaning; return what is settled of the streams, and missing of the cameras.

    Call it after the frames of the same commit were written, for streams that this transaction has
    locked.

    Returns:
        Each stream's `pinned_through`, which never goes back: every seq up to it is settled, or
        its frame is `missing`. And what is missing of each camera, oldest first, at most 501.
    """
    rows = await connection.fetch(
        ADVANCE,
        [advance.stream for advance in advances],
        [advance.multirange for advance in advances],
        [advance.last_seq for advance in advances],
        [advance.head_digest for advance in advances],
        list(camera_ids),
        MAX_WANTED + 1,
    )
    through: dict[UUID, int] = {}
    wanted: dict[int, list[Wanted]] = {camera_id: [] for camera_id in camera_ids}
    for row in rows:
        if row["digest"] is None:
            through[row["stream"]] = row["seq"]
        else:
            cid = Cid(bytes(row["digest"]))
            wanted[row["camera_id"]].append(Wanted(stream=row["stream"], seq=row["seq"], cid=cid))
    return through, wanted


NEXT_MISSING = """
    SELECT s.stream, (
        SELECT min(f.seq) FROM dashboard.frames AS f
        WHERE f.camera_id = $1 AND f.stream = s.stream AND f.bytes_state = 'missing'
          AND (f.stream, f.seq) >= ($3::uuid, $4::bigint)) AS seq
    FROM unnest($2::uuid[]) AS s (stream)
"""


async def acknowledged(
    connection: Connection,
    camera_id: int,
    pinned_through: Mapping[UUID, int],
    missing: Sequence[Wanted],
) -> dict[UUID, int]:
    """Return `pinned_through` as it may be told along with the first 500 of `missing`.

    What is missing and not told must not lie under the acknowledgement: the camera would take it
    as pinned and remove it.
    """
    if len(missing) <= MAX_WANTED or missing[MAX_WANTED].stream is None:
        return dict(pinned_through)
    untold = missing[MAX_WANTED]
    rows = await connection.fetch(
        NEXT_MISSING, camera_id, list(pinned_through), untold.stream, untold.seq
    )
    first_untold = {row["stream"]: row["seq"] for row in rows if row["seq"] is not None}
    return {
        stream: min(through, first_untold.get(stream, _NO_LIMIT) - 1)
        for stream, through in pinned_through.items()
    }


def merged(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return ranges of whole numbers, both ends included, sorted and merged where they touch."""
    result: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return tuple(result)


def _stream(row: asyncpg.Record) -> Stream:
    return Stream(
        stream=row["stream"],
        camera_id=row["camera_id"],
        # PostgreSQL writes ranges of whole numbers half-open.
        known=tuple((part.lower, part.upper - 1) for part in row["known"]),
        last_seq=row["last_seq"],
        head_digest=row["head_digest"],
    )
