"""The stream: events in order, chained, and how far the hub has each of them.

`seq` has no gap, and every event holds the digest of the one before it. The row keeps the event's
exact JSON (its canonical form), so what is sent after days is byte for byte what was sent first.
"""

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from camera_uploader.frame import Frame
from camera_uploader.spool.database import Database, text_of
from camera_uploader.spool.items import set_mark
from pinhole.contract.cid import Cid
from pinhole.contract.receipt import Rejected


class State(StrEnum):
    """How far an event is; a rejected one stays visible and is never sent again."""

    UNSENT = "unsent"
    SENT = "sent"
    SETTLED = "settled"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: the last seq (0: none yet) and its event's digest."""

    stream: UUID
    seq: int
    digest: bytes | None


@dataclass(frozen=True, slots=True)
class Spooled:
    """An event as it is sent: `body` is its canonical JSON."""

    seq: int
    body: bytes


@dataclass(frozen=True, slots=True)
class RejectedEvent:
    """An event that the hub did not keep, and why."""

    seq: int
    cid: Cid
    reason: str
    details: str


@dataclass(frozen=True, slots=True)
class WantedBlock:
    """Bytes that the hub could not fetch."""

    seq: int
    cid: Cid


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How the stream stands."""

    last_seq: int
    unsent: int
    sent: int
    rejected: int
    wanted: int
    pinned_through: int
    duplicates: int
    refused: int
    oldest_unsent_at: datetime | None


MakeBody = Callable[[Head], bytes]
"""Makes the canonical JSON of the event that follows `Head`."""


class Events:
    """The events of one spool. Any thread may call it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._appending = threading.Lock()
        self._head = self._read_head()

    @property
    def head(self) -> Head:
        """The end of the chain."""
        return self._head

    _INSERT = """
        INSERT INTO event (seq, cid, size_bytes, captured_at, body, state)
        VALUES (?, ?, ?, ?, ?, 'unsent')
    """
    _ADVANCE = """
        UPDATE stream SET last_seq = ?, last_digest = ?,
            duplicates = duplicates + EXISTS (SELECT 1 FROM event WHERE cid = ? AND seq < ?)
    """

    def append(self, frame: Frame, make_body: MakeBody) -> Spooled:
        """Add the event of a frame whose block is stored and pinned; durable on return.

        The frame's mark is set in the same commit, so its source takes it exactly once. A frame
        with the same bytes as an earlier one is an event of its own and counted as a duplicate.

        Raises:
            SpoolUnavailable: it could not be written; the chain is as it was.
        """
        with self._appending:
            body, seq, cid = make_body(self._head), self._head.seq + 1, str(frame.cid)
            # The body is canonical JSON: this is `pinhole.contract.event.digest` of it.
            head = Head(self._head.stream, seq, hashlib.sha256(body).digest())
            row = (seq, cid, len(frame.data), text_of(frame.captured_at), body)
            with self._database.transaction(durable=True) as connection:
                connection.execute(self._INSERT, row)
                connection.execute(self._ADVANCE, (seq, head.digest, cid, seq))
                if frame.mark is not None:
                    set_mark(connection, frame.mark)
            self._head = head
        return Spooled(seq, body)

    _UNSENT = "SELECT seq, body FROM event WHERE state = 'unsent' ORDER BY seq LIMIT ?"

    def unsent(self, limit: int) -> list[Spooled]:
        """Return the oldest events that the hub has not acknowledged, in order."""
        return [Spooled(*row) for row in self._database.rows(self._UNSENT, limit)]

    _MARK_SENT = "UPDATE event SET state = 'sent' WHERE seq = ? AND state = 'unsent'"
    _REJECT = """
        UPDATE event SET state = 'rejected', reason = ?, details = ?
        WHERE seq = ? AND state = 'unsent'
    """

    def record_delivery(self, seqs: Sequence[int], rejected: Iterable[Rejected]) -> None:
        """Record that the hub answered for these events: sent, but for the rejected ones.

        A rejected entry's `index` counts within `seqs`; one beyond them is ignored.
        """
        reasons = {entry.index: (entry.reason, entry.details) for entry in rejected}
        with self._database.transaction(durable=False) as connection:
            for index, seq in enumerate(seqs):
                if index in reasons:
                    connection.execute(self._REJECT, (*reasons[index], seq))
                else:
                    connection.execute(self._MARK_SENT, (seq,))

    def reject(self, seq: int, reason: str, details: str) -> None:
        """Mark one event as one that the hub does not take; it stays visible."""
        with self._database.transaction(durable=False) as connection:
            connection.execute(self._REJECT, (reason, details, seq))

    _SENT_THROUGH = """
        SELECT coalesce((SELECT min(seq) - 1 FROM event WHERE state = 'unsent'), last_seq)
        FROM stream
    """
    _CLEAR_WANTED = "DELETE FROM wanted"
    _WANT = """
        INSERT INTO wanted (seq, cid) SELECT seq, cid FROM event
        WHERE seq = ? AND cid = ? AND state IN ('sent', 'settled')
        ON CONFLICT DO NOTHING
    """
    _UNSETTLE = """
        UPDATE event SET state = 'sent'
        WHERE state = 'settled' AND seq IN (SELECT seq FROM wanted)
    """
    _SETTLE = """
        UPDATE event SET state = 'settled'
        WHERE state = 'sent' AND seq <= ? AND seq NOT IN (SELECT seq FROM wanted)
    """
    _SET_THROUGH = "UPDATE stream SET pinned_through = ? WHERE pinned_through < ?"

    def settle(self, through: int, wanted: Iterable[tuple[int, Cid]]) -> None:
        """Take over the hub's cumulative acknowledgement of this stream.

        `wanted` replaces what was wanted before; entries that name no event of ours are left out.
        Events not yet known to be sent are not touched, whatever `through` says.
        """
        with self._database.transaction(durable=False) as connection:
            (sent_through,) = connection.execute(self._SENT_THROUGH).fetchone()
            through = min(through, sent_through)
            connection.execute(self._CLEAR_WANTED)
            connection.executemany(self._WANT, [(seq, str(cid)) for seq, cid in wanted])
            connection.execute(self._UNSETTLE)
            connection.execute(self._SETTLE, (through,))
            connection.execute(self._SET_THROUGH, (through, through))

    _WANTED = "SELECT seq, cid FROM wanted ORDER BY seq"

    def wanted(self) -> list[WantedBlock]:
        """Return the bytes that the hub asked for, oldest first."""
        rows = self._database.rows(self._WANTED)
        return [WantedBlock(seq, Cid.parse(cid)) for seq, cid in rows]

    _REJECTED = """
        SELECT seq, cid, reason, details FROM event WHERE state = 'rejected'
        ORDER BY seq DESC LIMIT ?
    """

    def rejected(self, limit: int = 100) -> list[RejectedEvent]:
        """Return the newest events that the hub did not keep."""
        rows = self._database.rows(self._REJECTED, limit)
        return [RejectedEvent(seq, Cid.parse(cid), why, more) for seq, cid, why, more in rows]

    _CIDS = "SELECT DISTINCT cid FROM event"

    def cids(self) -> Iterator[Cid]:
        """Yield the CID of every frame that the spool names."""
        return (Cid.parse(cid) for (cid,) in self._database.rows(self._CIDS))

    _COUNTS = """
        SELECT
            last_seq,
            (SELECT count(*) FROM event WHERE state = 'unsent'),
            (SELECT count(*) FROM event WHERE state = 'sent'),
            (SELECT count(*) FROM event WHERE state = 'rejected'),
            (SELECT count(*) FROM wanted),
            pinned_through, duplicates, refused,
            (SELECT captured_at FROM event WHERE state = 'unsent' ORDER BY seq LIMIT 1)
        FROM stream
    """

    def counts(self) -> Counts:
        """Return how the stream stands; settled events are not counted, so it stays cheap."""
        ((last, unsent, sent, rejected, wanted, through, duplicates, refused, oldest),) = (
            self._database.rows(self._COUNTS)
        )
        return Counts(
            last_seq=last,
            unsent=unsent,
            sent=sent,
            rejected=rejected,
            wanted=wanted,
            pinned_through=through,
            duplicates=duplicates,
            refused=refused,
            oldest_unsent_at=None if oldest is None else datetime.fromisoformat(oldest),
        )

    _HEAD = "SELECT stream, last_seq, last_digest FROM stream"

    def _read_head(self) -> Head:
        ((stream, seq, digest),) = self._database.rows(self._HEAD)
        return Head(UUID(stream), seq, digest)
