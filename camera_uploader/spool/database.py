"""The spool's file: SQLite in WAL mode, opened by one process at a time.

What must survive a power cut is committed with synchronous=FULL (one fsync: 0.2 ms on an SSD, tens
of milliseconds on an SD card); what the hub would simply tell again is committed without waiting.
"""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pinhole.contract.errors import PinholeError, Unavailable
from pinhole.contract.ids import uuid7

SCHEMA_VERSION: Final = 1
APPLICATION_ID: Final = 0x50494E48  # "PINH": file(1) and `fsck`-like tools can tell it
DATABASE: Final = "spool.sqlite"
LOCK: Final = "spool.lock"

_SCHEMA: Final = """
CREATE TABLE stream (
    one             INTEGER PRIMARY KEY CHECK (one = 1),
    stream          TEXT NOT NULL,
    made_at         TEXT NOT NULL,
    last_seq        INTEGER NOT NULL DEFAULT 0,
    last_digest     BLOB,
    pinned_through  INTEGER NOT NULL DEFAULT 0,
    duplicates      INTEGER NOT NULL DEFAULT 0,
    refused         INTEGER NOT NULL DEFAULT 0,
    clock_offset_ms INTEGER,
    CHECK ((last_seq = 0) = (last_digest IS NULL))
) STRICT;

CREATE TABLE event (
    seq         INTEGER PRIMARY KEY,
    cid         TEXT NOT NULL,
    size_bytes  INTEGER NOT NULL,
    captured_at TEXT NOT NULL,
    body        BLOB NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('unsent', 'sent', 'settled', 'rejected')),
    reason      TEXT,
    details     TEXT,
    CHECK ((state = 'rejected') = (reason IS NOT NULL))
) STRICT;
CREATE INDEX event_cid ON event (cid);
CREATE INDEX event_unsent ON event (seq) WHERE state = 'unsent';
CREATE INDEX event_sent ON event (seq) WHERE state = 'sent';
CREATE INDEX event_rejected ON event (seq) WHERE state = 'rejected';

CREATE TABLE wanted (
    seq INTEGER PRIMARY KEY REFERENCES event (seq),
    cid TEXT NOT NULL
) STRICT;

CREATE TABLE mark (
    source  TEXT NOT NULL,
    item    BLOB NOT NULL,
    version TEXT NOT NULL,
    PRIMARY KEY (source, item)
) STRICT, WITHOUT ROWID;

CREATE TABLE refusal (
    number     INTEGER PRIMARY KEY,
    source     TEXT,
    item       BLOB,
    version    TEXT,
    reason     TEXT NOT NULL,
    details    TEXT NOT NULL,
    size_bytes INTEGER,
    at         TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX refusal_item ON refusal (source, item) WHERE item IS NOT NULL;
"""
_INSERT_STREAM: Final = "INSERT INTO stream (one, stream, made_at) VALUES (1, ?, ?)"


class SpoolUnusable(PinholeError):
    """The spool cannot be opened: used by another process, damaged, or of a later version."""

    reason = "SPOOL_UNUSABLE"


class SpoolUnavailable(Unavailable):
    """The spool could not be written now (the disk is full, or gone); nothing was changed."""

    reason = "SPOOL_UNAVAILABLE"


class Database:
    """The open file. Any thread may call it: one statement or transaction runs at a time."""

    def __init__(self, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock_file = _lock(directory / LOCK)
        except OSError as error:
            raise SpoolUnusable(f"the spool {directory} is unusable: {error.strerror}") from error
        self._mutex = threading.RLock()
        self._synchronous = ""
        try:
            self._connection = _open(directory / DATABASE)
        except BaseException:
            os.close(self._lock_file)
            raise

    def close(self) -> None:
        """Close the file and let another process have it."""
        with self._mutex:
            self._connection.close()
            os.close(self._lock_file)

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401
        """Return all rows of a query."""
        with self._mutex:
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def transaction(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        """Run a `with` block as one transaction; where `durable`, it is on disk at the end.

        Raises:
            SpoolUnavailable: it could not be written; nothing of it was.
        """
        with self._mutex:
            try:
                self._set_synchronous("FULL" if durable else "NORMAL")
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                    self._connection.execute("COMMIT")
                except BaseException:
                    # A full disk has rolled back by itself already.
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise
            except sqlite3.OperationalError as error:
                raise SpoolUnavailable(f"the spool could not be written: {error}") from error

    def _set_synchronous(self, level: str) -> None:
        if level != self._synchronous:
            self._connection.execute(f"PRAGMA synchronous = {level}")
            self._synchronous = level


@contextmanager
def read_only(directory: Path) -> Iterator[sqlite3.Connection]:
    """Look into a spool for the length of a `with` block, also while its camera runs.

    Raises:
        SpoolUnusable: there is no spool in `directory`.
    """
    path = directory / DATABASE
    if not path.exists():
        raise SpoolUnusable(f"there is no spool in {directory}")
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)
    try:
        yield connection
    finally:
        connection.close()


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 20).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise SpoolUnusable(
            f"the spool {path.parent} is in use by process {holder or 'unknown'}: "
            "two cameras cannot share one stream"
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def _open(path: Path) -> sqlite3.Connection:
    # Threads take turns by the Database's mutex; SQLite's own check would forbid that.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    try:
        _prepare(connection)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise SpoolUnusable(f"{path} is damaged or no spool: {error}") from error
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise SpoolUnusable(
            f"the spool is of version {version}, this program knows {SCHEMA_VERSION}"
        )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")
    # 0.5 MB instead of 2: the rows of one moment are looked at, never the whole file.
    connection.execute("PRAGMA cache_size = -512")
    if version == 0:
        _make_stream(connection)


def _make_stream(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("BEGIN EXCLUSIVE")
    for statement in _SCHEMA.split(";\n"):
        connection.execute(statement)
    connection.execute(_INSERT_STREAM, (str(uuid7()), text_of(datetime.now(UTC))))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def text_of(instant: datetime) -> str:
    """Return an instant as the spool writes it: UTC, sortable."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")
