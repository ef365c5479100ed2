"""The table of pins: adding, reading, deleting, trying again. SQL only."""

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
from pinning.wants import NotKept, Outcome, Reason, Want

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
            want=_want(row),
            outcome=_outcome(row),
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
            size_bytes, site, camera, city, event_id, kind, label_status, captured_at)
        SELECT $1, now() + $2::interval, * FROM unnest(
            $3::uuid[], $4::bytea[], $5::timestamptz[], $6::text[], $7::jsonb[], $8::jsonb[],
            $9::text[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::text[],
            $15::text[], $16::text[], $17::timestamptz[])
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
    CROSS JOIN set_config('synchronous_commit', $18, true) AS for_this_statement
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
        facts = Facts.of(owner, pin.meta)
        identity = (uuid7(), pin.cid.binary, now + number * _MICROSECOND)
        origins = {"sent": pin.origins, "dialled": pin.dialled} if pin.origins else None
        asked = (pin.name, dict(pin.meta), origins)
        typed = (pin.batch_key, pin.size_bytes, facts.site, facts.camera, facts.city)
        more = (facts.event_id, facts.kind, facts.label_status, facts.captured_at)
        rows.append((*identity, *asked, *typed, *more))
    return rows


def _added(row: asyncpg.Record) -> Added:
    return Added(_uuid(row["requestid"]), _outcome(row), row["created_at"], row["bound"])


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


OUTCOMES = """
    SELECT requestid, status, reason, details, retryable FROM pinning.pins
    WHERE requestid = ANY ($1::uuid[])
"""


async def outcomes(pool: Pool, requestids: Sequence[UUID]) -> dict[UUID, Outcome]:
    """Return how pins stand; those deleted meanwhile are left out."""
    rows = await pool.fetch(OUTCOMES, requestids)
    return {_uuid(row["requestid"]): _outcome(row) for row in rows}


DIALLED = """
    SELECT DISTINCT jsonb_array_elements_text(origins -> 'dialled') AS address FROM pinning.pins
    WHERE cid = $1 AND owner = $2 AND status <> 'pinned' LIMIT 20
"""


async def dialled(pool: Pool, want: Want) -> list[str]:
    """Return the addresses that an outside client's unsettled pins may be fetched from."""
    rows = await pool.fetch(DIALLED, want.cid.binary, want.owner.text)
    return [row["address"] for row in rows]


# Several pins may wait for the same bytes: they stand and fall together, and the youngest keeps
# the others trying. $8 is 0 where the owner was not asked: such an attempt does not count.
PUT_OFF = """
    WITH waiting AS (
        SELECT requestid, attempts FROM pinning.pins
        WHERE cid = $1 AND owner = $2 AND status IN ('queued', 'pinning')
        ORDER BY requestid FOR UPDATE
    ), counted AS (
        SELECT min(attempts) + $8::integer AS attempts FROM waiting
    ), decided AS (
        SELECT requestid, counted.attempts, $5::boolean AND counted.attempts < $6::integer AS again
        FROM waiting, counted
    )
    UPDATE pinning.pins AS p SET
        status = CASE WHEN again THEN 'queued' ELSE 'failed' END::pinning.status,
        attempts = decided.attempts,
        -- Doubled each time up to the longest, then 50 to 100 % of it: retries spread out.
        next_attempt_at = CASE WHEN again THEN now() + make_interval(secs =>
            (0.5 + 0.5 * random()) * least($9::float8,
                $7::float8 * power(2, least(greatest(decided.attempts - 1, 0), 30)))) END,
        settled_at = CASE WHEN NOT again THEN now() END,
        reason = $3, details = $4, retryable = $5
    FROM decided WHERE p.requestid = decided.requestid
    RETURNING p.status
"""


@dataclass(frozen=True)
class RetryPolicy:
    """When a want is tried again, and how often at most."""

    max_attempts: int
    first_s: float
    longest_s: float


async def put_off(pool: Pool, want: Want, why: NotKept, policy: RetryPolicy) -> Outcome:
    """Record an attempt that came to nothing: the pins wait for the next one, or fail."""
    status = await pool.fetchval(
        PUT_OFF,
        want.cid.binary,
        want.owner.text,
        why.reason,
        why.details,
        why.retryable,
        policy.max_attempts,
        policy.first_s,
        int(why.tried and why.reason is not Reason.HUB_UNAVAILABLE),
        policy.longest_s,
    )
    # No row: the pins were deleted meanwhile, and nothing is settled.
    return Outcome(Status(status or Status.QUEUED), why.reason, why.details, why.retryable)


TAKE_UP = """
    UPDATE pinning.pins SET status = 'pinning', next_attempt_at = now() + $2::interval
    WHERE requestid IN (
        SELECT requestid FROM pinning.pins WHERE next_attempt_at <= now()
        ORDER BY next_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED)
    RETURNING owner, cid
"""


async def take_up(pool: Pool, limit: int, lease: timedelta) -> set[Want]:
    """Return wants whose time has come; they are the caller's until the lease ends."""
    return {_want(row) for row in await pool.fetch(TAKE_UP, limit, lease)}


def _want(row: asyncpg.Record) -> Want:
    return Want(Owner.parse(row["owner"]), Cid.from_binary(row["cid"]))


def _outcome(row: asyncpg.Record) -> Outcome:
    reason = row["reason"]
    return Outcome(
        Status(row["status"]),
        Reason(reason) if reason is not None else None,
        row["details"],
        row["retryable"],
    )


def _uuid(value: Any) -> UUID:  # noqa: ANN401 - asyncpg has its own UUID class
    return UUID(int=value.int)
