"""The table of pins: adding, reading, deleting. SQL only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from pinhole.contract.cid import Cid
from pinhole.contract.errors import Unavailable
from pinhole.contract.ids import uuid7
from pinhole.contract.owners import Owner
from pinhole.contract.pins import Status
from pinhole.runtime.postgres import Connection, Pool
from pinning.facts import Facts
from pinning.wants import Outcome, Reason, Want

_MICROSECOND: Final = timedelta(microseconds=1)
# Two inserts of one owner within the same microseconds: the next try starts later.
_TRIES: Final = 5


@dataclass(frozen=True)
class NewPin:
    """A pin to be written. `batch_key` finds it again when the same batch is repeated."""

    cid: Cid
    name: str | None = None
    meta: Mapping[str, str] = field(default_factory=dict)
    origins: Sequence[str] = ()
    dialled: Sequence[str] = ()
    batch_key: str | None = None
    size_bytes: int | None = None


@dataclass(frozen=True)
class StoredPin:
    """A row of the table."""

    requestid: UUID
    want: Want
    outcome: Outcome
    created_at: datetime
    name: str | None
    meta: dict[str, str]
    origins: list[str]
    dialled: list[str]

    @classmethod
    def of(cls, row: asyncpg.Record) -> "StoredPin":
        """Return the pin of a whole row."""
        return cls(
            requestid=_uuid(row["requestid"]),
            want=want_of(row),
            outcome=outcome_of(row),
            created_at=row["created_at"],
            name=row["name"],
            meta=row["meta"],
            origins=(row["origins"] or {}).get("sent", []),
            dialled=(row["origins"] or {}).get("dialled", []),
        )


@dataclass(frozen=True)
class Added:
    """A pin as it stands after `add`."""

    requestid: UUID
    outcome: Outcome
    created_at: datetime
    bound: bool
    """Whether the owner's bytes are here already: nothing has to be fetched."""


# A repeated batch finds its pins; a failed one is asked for anew. A pin that is new, or anew, is
# the caller's for one lease; then a worker takes it up.
ADD = """
    WITH added AS (
        INSERT INTO pinning.pins AS p (
            owner, next_attempt_at, requestid, cid, created_at, name, meta, origins, batch_key,
            size_bytes, site, camera, city, event_id, kind, label_status, captured_at,
            completed_at, max_confidence, classes, received_at)
        SELECT $1, now() + $2::interval, requestid, cid, created_at, name, meta, origins,
            batch_key, size_bytes, site, camera, city, event_id, kind, label_status, captured_at,
            completed_at, max_confidence, string_to_array(classes, ','), received_at
        FROM unnest(
            $3::uuid[], $4::bytea[], $5::timestamptz[], $6::text[], $7::jsonb[], $8::jsonb[],
            $9::text[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::text[],
            $15::text[], $16::text[], $17::timestamptz[], $18::timestamptz[],
            $19::real[], $20::text[], $21::timestamptz[])
            AS n (requestid, cid, created_at, name, meta, origins, batch_key, size_bytes, site,
                  camera, city, event_id, kind, label_status, captured_at, completed_at,
                  max_confidence, classes, received_at)
        ON CONFLICT (cid, owner, batch_key) DO UPDATE SET
            status = CASE p.status WHEN 'failed' THEN 'queued' ELSE p.status END,
            attempts = CASE p.status WHEN 'failed' THEN 0 ELSE p.attempts END,
            settled_at = CASE p.status WHEN 'failed' THEN NULL ELSE p.settled_at END,
            next_attempt_at = CASE p.status WHEN 'pinned' THEN NULL
                                            ELSE excluded.next_attempt_at END
        RETURNING requestid, cid, batch_key, status, reason, details, retryable, created_at
    )
    SELECT added.*, b.cid IS NOT NULL AS bound
    FROM added
    CROSS JOIN set_config('synchronous_commit', $22, true) AS for_this_statement
    LEFT JOIN pinning.bindings AS b ON b.cid = added.cid AND b.owner = $1
"""


async def add(
    connection: Connection | Pool,
    owner: Owner,
    pins: Sequence[NewPin],
    lease: timedelta,
    *,
    durable: bool = True,
) -> dict[tuple[Cid, str | None], Added]:
    """Write `pins`, all of one owner; return how each stands, by CID and batch key.

    The same CID with the same batch key may be given once only. Rows are written in the CIDs'
    order, so that concurrent batches do not wait in a circle. What is not `durable` yet (a power
    cut may undo it) becomes so with the next commit that is, or with `make_durable`.
    """
    ordered = sorted(pins, key=lambda pin: pin.cid.binary)
    commit = "on" if durable else "off"
    for _ in range(_TRIES):
        columns = map(list, zip(*_rows(owner, ordered), strict=True))
        try:
            added = await connection.fetch(ADD, owner.text, lease, *columns, commit)
        except (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError) as error:
            # Two adds of one owner in the same microsecond, or a circle with pins being settled.
            if not isinstance(connection, asyncpg.Pool):
                raise Unavailable("the same pins are being changed: try again") from error
            continue
        return {(Cid.from_binary(row["cid"]), row["batch_key"]): _added(row) for row in added}
    raise Unavailable(f"{owner} adds pins faster than their instants can be told apart")


def _rows(owner: Owner, pins: Sequence[NewPin]) -> list[tuple[Any, ...]]:
    now = datetime.now(UTC)
    rows: list[tuple[Any, ...]] = []
    for number, pin in enumerate(pins):
        identity = (uuid7(), pin.cid.binary, now + number * _MICROSECOND)
        origins = {"sent": pin.origins, "dialled": pin.dialled} if pin.origins else None
        asked = (pin.name, dict(pin.meta), origins)
        facts = Facts.of(owner, pin.meta)
        received_at = facts.received_before(identity[2])
        typed = (pin.batch_key, pin.size_bytes, *_typed(facts), received_at)
        rows.append((*identity, *asked, *typed))
    return rows


def _typed(facts: Facts) -> tuple[Any, ...]:
    place = (facts.site, facts.camera, facts.city)
    said = (facts.event_id, facts.kind, facts.label_status, facts.captured_at)
    # `unnest` would make one list of all the arrays: the classes go in as text.
    seen = (facts.max_confidence, ",".join(facts.classes))
    return (*place, *said, facts.completed_at, *seen)


def _added(row: asyncpg.Record) -> Added:
    return Added(_uuid(row["requestid"]), outcome_of(row), row["created_at"], row["bound"])


MAKE_DURABLE = "SELECT pg_logical_emit_message(true, 'pinning', '')"


async def make_durable(pool: Pool) -> None:
    """Return when everything that was committed before has reached the disk.

    A commit that waits for the write-ahead log waits for all that is before it in the log.
    """
    await pool.execute(MAKE_DURABLE)


GET = "SELECT * FROM pinning.pins WHERE requestid = $1 AND owner = $2"


async def get(connection: Connection | Pool, owner: Owner, requestid: UUID) -> StoredPin | None:
    """Return the owner's pin with this id."""
    row = await connection.fetchrow(GET, requestid, owner.text)
    return StoredPin.of(row) if row is not None else None


DELETE = "DELETE FROM pinning.pins WHERE requestid = $1 AND owner = $2 RETURNING requestid"


async def delete(connection: Connection, owner: Owner, requestid: UUID) -> bool:
    """Delete the row of a pin, under its CID's lock; return whether it was there."""
    return await connection.fetchval(DELETE, requestid, owner.text) is not None


CIDS = "SELECT DISTINCT cid FROM pinning.pins WHERE requestid = ANY ($1::uuid[]) AND owner = $2"


async def cids(connection: Connection, owner: Owner, requestids: Sequence[UUID]) -> list[Cid]:
    """Return the CIDs of those pins that are the owner's. Needs no lock."""
    rows = await connection.fetch(CIDS, requestids, owner.text)
    return [Cid.from_binary(row["cid"]) for row in rows]


BY_KEYS = """
    SELECT requestid, cid, batch_key FROM pinning.pins
    WHERE owner = $1 AND (cid, batch_key) IN (SELECT * FROM unnest($2::bytea[], $3::text[]))
"""


async def find_by_keys(
    connection: Connection, owner: Owner, keys: Sequence[tuple[bytes, str]]
) -> dict[UUID, tuple[bytes, str]]:
    """Return the owner's pins of a batch that was written before, by (binary CID, batch key)."""
    rows = await connection.fetch(BY_KEYS, owner.text, *map(list, zip(*keys, strict=True)))
    return {_uuid(row["requestid"]): (row["cid"], row["batch_key"]) for row in rows}


METAS = """
    SELECT requestid, meta FROM pinning.pins WHERE requestid = ANY ($1::uuid[]) AND owner = $2
    ORDER BY cid, requestid FOR UPDATE
"""


async def metas(
    connection: Connection, owner: Owner, requestids: Sequence[UUID]
) -> dict[UUID, dict[str, str]]:
    """Return the `meta` of those pins that are the owner's; their rows stay locked."""
    rows = await connection.fetch(METAS, requestids, owner.text)
    return {_uuid(row["requestid"]): row["meta"] for row in rows}


WRITE_METAS = """
    UPDATE pinning.pins AS p SET
        meta = n.meta, site = n.site, camera = n.camera, city = n.city, event_id = n.event_id,
        kind = n.kind, label_status = n.label_status, captured_at = n.captured_at,
        completed_at = n.completed_at, max_confidence = n.max_confidence,
        classes = string_to_array(n.classes, ',')
    FROM unnest($1::uuid[], $2::jsonb[], $3::text[], $4::text[], $5::text[], $6::text[],
                $7::text[], $8::text[], $9::timestamptz[], $10::timestamptz[], $11::real[],
                $12::text[])
        AS n (requestid, meta, site, camera, city, event_id, kind, label_status, captured_at,
              completed_at, max_confidence, classes)
    WHERE p.requestid = n.requestid
"""


async def write_metas(
    connection: Connection, owner: Owner, metas: Mapping[UUID, Mapping[str, str]]
) -> None:
    """Write another `meta` to pins of `owner`, and with it what policies decide on."""
    rows = [
        (requestid, dict(meta), *_typed(Facts.of(owner, meta))) for requestid, meta in metas.items()
    ]
    await connection.execute(WRITE_METAS, *map(list, zip(*rows, strict=True)))


OUTCOMES = """
    SELECT requestid, status, reason, details, retryable FROM pinning.pins
    WHERE requestid = ANY ($1::uuid[])
"""


async def outcomes(pool: Pool, requestids: Sequence[UUID]) -> dict[UUID, Outcome]:
    """Return how pins stand; those deleted meanwhile are left out."""
    rows = await pool.fetch(OUTCOMES, requestids)
    return {_uuid(row["requestid"]): outcome_of(row) for row in rows}


DIALLED = """
    SELECT DISTINCT jsonb_array_elements_text(origins -> 'dialled') AS address FROM pinning.pins
    WHERE cid = $1 AND owner = $2 AND status <> 'pinned' LIMIT 20
"""


async def dialled(pool: Pool, want: Want) -> list[str]:
    """Return the addresses that an outside client's unsettled pins may be fetched from."""
    rows = await pool.fetch(DIALLED, want.cid.binary, want.owner.text)
    return [row["address"] for row in rows]


def want_of(row: asyncpg.Record) -> Want:
    """Return the want of a row with owner and cid."""
    return Want(Owner.parse(row["owner"]), Cid.from_binary(row["cid"]))


def outcome_of(row: asyncpg.Record) -> Outcome:
    """Return how the pin of a row stands."""
    reason = row["reason"]
    return Outcome(
        Status(row["status"]),
        Reason(reason) if reason is not None else None,
        row["details"],
        row["retryable"],
    )


def _uuid(value: Any) -> UUID:  # noqa: ANN401 - asyncpg has its own UUID class
    return UUID(int=value.int)
