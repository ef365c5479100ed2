"""The chain of a stream: each event names the hash of the one before it in `prev`.

A missing or changed event is provable by it. The first event of a stream needs no predecessor; one
whose predecessor has not come is `pending`; one that names another hash than its predecessor has is
`broken`, kept, and shown as such. A gap that the camera declared lost counts as passed: the
declaration itself is signed.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from dashboard_gateway.settlement import Stream
from pinhole.runtime.postgres import Connection

logger = logging.getLogger(__name__)

Place = tuple[UUID, int]
"""(stream, seq)."""


class ChainState(StrEnum):
    """What is known of an event's place in its stream's chain."""

    UNCHAINED = "unchained"
    PENDING = "pending"
    VERIFIED = "verified"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Link:
    """An event as the chain sees it."""

    place: Place
    prev: bytes | None
    digest: bytes


class Gap:
    """A predecessor that will never come and whose hash is not known."""


GAP = Gap()


def judge(link: Link, predecessor: bytes | Gap | None) -> ChainState:
    """Return the state of `link`, given its predecessor's digest (None: it has not come)."""
    if link.prev is None:
        return ChainState.VERIFIED
    if predecessor is None:
        return ChainState.PENDING
    if isinstance(predecessor, Gap) or predecessor == link.prev:
        return ChainState.VERIFIED
    return ChainState.BROKEN


async def judge_all(
    connection: Connection,
    streams: Mapping[UUID, Stream],
    links: Collection[Link],
    absent: Mapping[Place, bytes | None],
) -> dict[Place, ChainState]:
    """Return the state of each new event, whose streams are locked.

    A stream that comes in order asks nothing: its row carries the digest of its last event.
    `absent` are the places that the same commit settles without a frame, with their digests.
    """
    known: dict[Place, bytes | Gap] = {
        place: hash_ or GAP for place, hash_ in absent.items() if not _holds(streams, place)
    }
    known |= {link.place: link.digest for link in links}
    unknown: list[Place] = []
    for link in links:
        stream, seq = link.place
        before = (stream, seq - 1)
        head = streams[stream]
        if seq == 1 or before in known:
            continue
        if head.last_seq == seq - 1 and head.head_digest is not None:
            known[before] = head.head_digest
        elif head.knows(seq - 1):
            unknown.append(before)
    if unknown:
        known |= await _look_up(connection, streams, unknown)
    states = {
        link.place: judge(link, known.get((link.place[0], link.place[1] - 1))) for link in links
    }
    _report_broken(place for place, state in states.items() if state is ChainState.BROKEN)
    return states


PREDECESSORS = """
    SELECT w.stream, w.seq, COALESCE(f.event_digest, a.event_digest) AS digest
    FROM unnest($1::integer[], $2::uuid[], $3::bigint[]) AS w (camera_id, stream, seq)
    LEFT JOIN dashboard.frames AS f USING (camera_id, stream, seq)
    LEFT JOIN LATERAL (
        SELECT event_digest FROM dashboard.absences
        WHERE stream = w.stream AND last_seq = w.seq AND first_seq = w.seq
        ORDER BY absence_id LIMIT 1) AS a ON true
"""


async def _look_up(
    connection: Connection, streams: Mapping[UUID, Stream], places: Sequence[Place]
) -> dict[Place, bytes | Gap]:
    rows = await connection.fetch(
        PREDECESSORS,
        [streams[stream].camera_id for stream, _ in places],
        [stream for stream, _ in places],
        [seq for _, seq in places],
    )
    return {(row["stream"], row["seq"]): row["digest"] or GAP for row in rows}


@dataclass(frozen=True, slots=True)
class Settled:
    """Seqs that got their meaning in this commit: one event's, or those of a gap."""

    stream: UUID
    first_seq: int
    last_seq: int
    digest: bytes | None
    """Of the event; None for a gap."""


SUCCESSORS = """
    UPDATE dashboard.frames AS f SET chain_state = CASE
        WHEN n.digest IS NULL OR f.prev = n.digest THEN 'verified' ELSE 'broken'
        END::dashboard.chain_state
    FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[])
        AS n (stream, first_seq, last_seq, digest)
    WHERE f.stream = n.stream AND f.seq BETWEEN n.first_seq + 1 AND n.last_seq + 1
      AND f.chain_state = 'pending'
    RETURNING f.frame_id, f.stream, f.seq, f.chain_state
"""


async def release_pending(
    connection: Connection, streams: Mapping[UUID, Stream], settled: Iterable[Settled]
) -> list[int]:
    """Judge the frames that waited for what was settled now; return their ids.

    In order nothing waits, which the locked rows tell without a query.
    """
    waiting = [
        part
        for part in settled
        if part.last_seq > part.first_seq or _holds(streams, (part.stream, part.last_seq + 1))
    ]
    if not waiting:
        return []
    rows = await connection.fetch(
        SUCCESSORS,
        [part.stream for part in waiting],
        [part.first_seq for part in waiting],
        [part.last_seq for part in waiting],
        [part.digest for part in waiting],
    )
    _report_broken(
        (row["stream"], row["seq"]) for row in rows if row["chain_state"] == ChainState.BROKEN
    )
    return [row["frame_id"] for row in rows]


def _holds(streams: Mapping[UUID, Stream], place: Place) -> bool:
    return streams[place[0]].knows(place[1])


def _report_broken(places: Iterable[Place]) -> None:
    for stream, seq in places:
        logger.error("stream %s is broken at seq %s: prev names another event", stream, seq)
