"""What a source remembers of its items: which it took, which were refused and why."""

import sqlite3
from datetime import datetime
from typing import Final

from camera_uploader.frame import Mark, Refusal, RefusalReason
from camera_uploader.spool.database import Database, text_of

# Refused pictures that are no files (a frame too large for a block) are all counted; this many
# stay listed.
LISTED_REFUSALS: Final = 1000

_SET_MARK: Final = """
    INSERT INTO mark (source, item, version) VALUES (?, ?, ?)
    ON CONFLICT (source, item) DO UPDATE SET version = excluded.version
"""
_FORGET_REFUSAL: Final = "DELETE FROM refusal WHERE source = ? AND item = ?"


def set_mark(connection: sqlite3.Connection, mark: Mark) -> None:
    """Remember `mark` in the transaction that is open: the one that writes its frame's event."""
    connection.execute(_SET_MARK, (mark.source, mark.item, mark.version))
    connection.execute(_FORGET_REFUSAL, (mark.source, mark.item))


class Items:
    """The memory of sources. A row is about 100 bytes beside a picture of 200 KB."""

    def __init__(self, database: Database) -> None:
        self._database = database

    _TAKEN = "SELECT version FROM mark WHERE source = ? AND item = ?"

    def taken_version(self, source: str, item: bytes) -> str | None:
        """Return which version of an item became a frame, if any did."""
        return next((row[0] for row in self._database.rows(self._TAKEN, source, item)), None)

    _REFUSED = "SELECT version FROM refusal WHERE source = ? AND item = ?"

    def refused_version(self, source: str, item: bytes) -> str | None:
        """Return which version of an item was refused, if any was."""
        return next((row[0] for row in self._database.rows(self._REFUSED, source, item)), None)

    _FORGET_MARK = "DELETE FROM mark WHERE source = ? AND item = ? AND version = ?"

    def forget(self, mark: Mark) -> None:
        """Forget an item that is no longer where its source would find it."""
        with self._database.transaction(durable=True) as connection:
            connection.execute(self._FORGET_MARK, (mark.source, mark.item, mark.version))

    _INSERT_REFUSAL = """
        INSERT INTO refusal (source, item, version, reason, details, size_bytes, at)
        VALUES (?, ?, ?, ?, ?, ?, ?)
    """
    _COUNT_REFUSAL = "UPDATE stream SET refused = refused + 1"
    _TRIM = """
        DELETE FROM refusal WHERE item IS NULL AND number <= (SELECT max(number) FROM refusal) - ?
    """

    def refuse(self, refusal: Refusal) -> None:
        """Count a picture that was not taken, and list it with the reason."""
        mark = refusal.mark
        key = (None, None, None) if mark is None else (mark.source, mark.item, mark.version)
        what = (refusal.reason, refusal.details, refusal.size_bytes, text_of(refusal.at))
        with self._database.transaction(durable=False) as connection:
            connection.execute(_FORGET_REFUSAL, key[:2])
            connection.execute(self._INSERT_REFUSAL, (*key, *what))
            connection.execute(self._COUNT_REFUSAL)
            connection.execute(self._TRIM, (LISTED_REFUSALS,))

    _REFUSALS = """
        SELECT source, item, version, reason, details, size_bytes, at FROM refusal
        ORDER BY number DESC LIMIT ?
    """

    def refusals(self, limit: int = 100) -> list[Refusal]:
        """Return the newest refusals that stand; a file that was taken later is not among them."""
        return [
            Refusal(
                reason=RefusalReason(reason),
                details=details,
                at=datetime.fromisoformat(at),
                mark=None if item is None else Mark(source, item, version),
                size_bytes=size_bytes,
            )
            for source, item, version, reason, details, size_bytes, at in self._database.rows(
                self._REFUSALS, limit
            )
        ]
