"""Holds: what stays whatever policies, quotas or requests say. SQL and the lock around it.

A hold names CIDs, or says where: then it holds what comes later as well. Whoever removes because
of a rule holds `removing` meanwhile, so that nothing goes once a hold was acknowledged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import asyncpg

from pinhole.contract.cid import Cid
from pinhole.contract.errors import Conflict, NotFound
from pinhole.contract.holds import Hold, HoldKind, HoldRequest
from pinhole.contract.ids import uuid7
from pinhole.contract.policies import Selection
from pinhole.runtime.postgres import Connection, Pool
from pinning.retention.selection import RECEIVED, Parameters, fits

_LOCK: Final = 0x68_6F_6C_64  # "hold"


async def removing(connection: Connection) -> None:
    """Keep holds as they are until the transaction ends: take this before reading them."""
    await connection.execute("SELECT pg_advisory_xact_lock_shared($1)", _LOCK)


@dataclass(frozen=True)
class Guard:
    """The holds that are active."""

    cids: bool
    """Whether any of them names CIDs."""
    selections: Sequence[tuple[UUID, Selection, Any, Any]]
    """(hold, where, captured from, captured to)."""

    def fits(self, parameters: Parameters) -> str:
        """Return the condition that a hold is about the pin `p`."""
        tests = ["p.cid IN (SELECT cid FROM pinning.hold_cids WHERE active)"] if self.cids else []
        tests += [_fits(*selection[1:], parameters) for selection in self.selections]
        return "(" + (" OR ".join(tests) or "false") + ")"


def _fits(where: Selection, since: Any, until: Any, parameters: Parameters) -> str:  # noqa: ANN401
    """Return the condition, never NULL: what is not known of a pin does not fit."""
    test = fits(where, parameters)
    within = [
        parameters.fill(bound, instant, "timestamptz")
        for bound, instant in (("{} >= ?", since), ("{} < ?", until))
        if instant is not None
    ]
    if within:
        # A camera's clock may be wrong: held is what either instant puts into the time asked for.
        one = " AND ".join(within)
        captured, received = (one.replace("{}", column) for column in ("p.captured_at", RECEIVED))
        test += f" AND (({captured}) OR ({received}))"
    return f"coalesce({test}, false)"


ACTIVE = """
    SELECT hold, selection, captured_from, captured_to FROM pinning.holds
    WHERE lifted_at IS NULL AND selection IS NOT NULL ORDER BY created_at
"""
ANY_CIDS = "SELECT EXISTS (SELECT FROM pinning.hold_cids WHERE active)"


async def guard(connection: Connection | Pool) -> Guard:
    """Return the holds that are active."""
    rows = await connection.fetch(ACTIVE)
    selections = [
        (row["hold"], Selection.model_validate(row["selection"]), *list(row.values())[2:])
        for row in rows
    ]
    return Guard(bool(await connection.fetchval(ANY_CIDS)), selections)


ADD = """
    INSERT INTO pinning.holds
        (hold, kind, reason, created_by, selection, captured_from, captured_to)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
ADD_CIDS = "INSERT INTO pinning.hold_cids (hold, cid) SELECT $1, * FROM unnest($2::bytea[])"


async def add(pool: Pool, request: HoldRequest, by: str) -> Hold:
    """Hold what `request` names; return it with how many pins that are.

    Returns once no removal that had not seen the hold is under way.
    """
    hold = uuid7()
    where = request.where.model_dump(mode="json", exclude_none=True) if request.where else None
    values = (hold, request.kind, request.reason.strip(), by, where)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute(ADD, *values, request.captured_from, request.captured_to)
        if request.cids is not None:
            binaries = list({cid.binary for cid in request.cids})
            await connection.execute(ADD_CIDS, hold, binaries)
    return await get(pool, str(hold))


LIFT = """
    UPDATE pinning.holds SET lifted_at = now(), lifted_by = $2, lifted_because = $3
    WHERE hold = $1 AND lifted_at IS NULL RETURNING hold
"""
LET_GO = "UPDATE pinning.hold_cids SET active = false WHERE hold = $1 AND active"


async def lift(pool: Pool, hold: str, because: str, by: str) -> Hold:
    """End a hold.

    Raises:
        NotFound: there is none.
        Conflict: it was lifted before.
    """
    before = await get(pool, hold)
    async with pool.acquire() as connection, connection.transaction():
        if await connection.fetchval(LIFT, UUID(hold), by, because.strip()) is None:
            raise Conflict(f"the hold {hold} was lifted by {before.lifted_by} before")
        await connection.execute(LET_GO, UUID(hold))
    return await get(pool, hold)


_COLUMNS: Final = """
    SELECT h.*, (SELECT count(*) FROM pinning.hold_cids AS c WHERE c.hold = h.hold) AS cids
    FROM pinning.holds AS h
"""
GET: Final = _COLUMNS + "WHERE hold = $1"
LIST: Final = _COLUMNS + "WHERE $1 OR lifted_at IS NULL ORDER BY created_at DESC, hold DESC"


async def get(pool: Pool, hold: str) -> Hold:
    """Return a hold with how many pins it holds now.

    Raises:
        NotFound: there is none.
    """
    row = await pool.fetchrow(GET, _uuid(hold))
    if row is None:
        raise NotFound(f"there is no hold {hold[:80]!r}")
    return _hold(row, await _count(pool, row) if row["lifted_at"] is None else 0)


async def list_all(pool: Pool, *, lifted: bool) -> list[Hold]:
    """Return the active holds, newest first; and those that were `lifted`."""
    return [_hold(row) for row in await pool.fetch(LIST, lifted)]


COUNT_CIDS = """
    SELECT count(*) FROM pinning.pins AS p
    WHERE p.cid IN (SELECT cid FROM pinning.hold_cids WHERE hold = $1)
"""


async def _count(pool: Pool, row: asyncpg.Record) -> int:
    if row["selection"] is None:
        return int(await pool.fetchval(COUNT_CIDS, row["hold"]))
    parameters = Parameters()
    where = Selection.model_validate(row["selection"])
    about = _fits(where, row["captured_from"], row["captured_to"], parameters)
    query = "SELECT count(*) FROM pinning.pins AS p WHERE " + about  # noqa: S608 - no values
    return int(await pool.fetchval(query, *parameters.values))


NAMING = "SELECT hold FROM pinning.hold_cids WHERE cid = $1 AND active"


async def about(connection: Connection, cid: Cid) -> dict[UUID, list[str]]:
    """Return the ids of the holds on each pin of a CID, by requestid."""
    naming = [str(row["hold"]) for row in await connection.fetch(NAMING, cid.binary)]
    parameters = Parameters()
    own = parameters.add(cid.binary, "bytea")
    tests = [
        (str(hold), _fits(where, since, until, parameters))
        for hold, where, since, until in (await guard(connection)).selections
    ]
    columns = "".join(f", {test}" for _, test in tests)
    query = f"SELECT p.requestid{columns} FROM pinning.pins AS p WHERE p.cid = {own}"  # noqa: S608 - no values
    return {
        UUID(int=row[0].int): naming
        + [hold for (hold, _), fits_it in zip(tests, list(row)[1:], strict=True) if fits_it]
        for row in await connection.fetch(query, *parameters.values)
    }


class Held(Conflict):
    """A hold is about the pin: it stays, whoever asks."""

    reason = "HELD"


async def check(connection: Connection, cid: Cid, requestid: UUID) -> None:
    """Return where no hold is about a pin; none is added before the transaction ends.

    Raises:
        Held: one is.
    """
    await removing(connection)
    if by := (await about(connection, cid)).get(requestid):
        raise Held(f"the pin {requestid} stays: it is under the hold {by[0]}")


def _hold(row: asyncpg.Record, pins: int | None = None) -> Hold:
    selection = row["selection"]
    return Hold(
        hold=str(row["hold"]),
        kind=HoldKind(row["kind"]),
        reason=row["reason"],
        created_at=row["created_at"],
        created_by=row["created_by"],
        cids=row["cids"],
        where=Selection.model_validate(selection) if selection is not None else None,
        captured_from=row["captured_from"],
        captured_to=row["captured_to"],
        pins=pins,
        lifted_at=row["lifted_at"],
        lifted_by=row["lifted_by"],
        lifted_because=row["lifted_because"],
    )


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"there is no hold {text[:80]!r}") from None
