"""PostgreSQL: one asyncpg pool per process."""

import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import asyncpg
from aiohttp import web

from pinhole.contract.errors import Unavailable
from pinhole.runtime.http import Handler

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
else:
    # asyncpg's classes cannot be subscripted at run time, only in its stubs.
    Pool = asyncpg.Pool
    Connection = asyncpg.Connection

# The pool tells of each connection it cannot make, with a traceback; those who need one say so.
logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)

AWAY: Final = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # "cannot switch to state …": the server ended the session, and a query was begun before
    # asyncpg had seen the connection close (1 in 20 outages on a loaded machine).
    asyncpg.InternalClientError,
)
"""What asyncpg raises where PostgreSQL is away or refuses. TimeoutError is an OSError."""

OUTAGES: Final = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # see AWAY
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # the database takes no connections
    asyncpg.TransactionRollbackError,
)
"""Those of `AWAY` that pass by themselves: away, full, or giving way to another transaction.

The others (a table that is not there, a value that does not fit) are faults of ours.
"""


class PostgresUnavailable(Unavailable):
    """PostgreSQL does not answer."""

    reason = "DATABASE_UNAVAILABLE"


@web.middleware
async def outage_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell callers that PostgreSQL is in trouble with a 503: they keep what they have."""
    try:
        return await handler(request)
    except OUTAGES as error:
        problem = f"PostgreSQL does not do its part: {type(error).__name__}: {error}"
        raise PostgresUnavailable(problem) from error


async def _set_codecs(connection: Connection) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name, encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
        )


async def _leave_session(connection: Connection) -> None:
    """Send nothing when a connection goes back to the pool.

    asyncpg would send a reset each time, a second round trip (0.1 ms) for every query. Ours leave
    no session state behind: no SET, no LISTEN on a pooled connection, and advisory locks are those
    of transactions or are given up by who took them. An open transaction is rolled back still.
    """
    del connection


async def create_pool(
    dsn: str,
    *,
    min_size: int = 1,
    max_size: int = 10,
    command_timeout_s: float = 30,
    server_settings: Mapping[str, str] | None = None,
) -> Pool:
    """Return an open pool whose connections read and write jsonb as Python values.

    Raises:
        PostgresUnavailable: no connection could be made.
    """
    try:
        return await asyncpg.create_pool(
            dsn,
            min_size=min_size,
            max_size=max_size,
            command_timeout=command_timeout_s,
            init=_set_codecs,
            reset=_leave_session,
            server_settings=dict(server_settings or {}),
        )
    except AWAY as error:
        raise PostgresUnavailable(f"PostgreSQL does not answer: {error}") from error


async def ping(pool: Pool) -> str | None:
    """Return None where PostgreSQL answers within 2 s, else a sentence (for health checks)."""
    try:
        await pool.fetchval("SELECT 1", timeout=2)
    except AWAY as error:
        return f"PostgreSQL does not answer: {type(error).__name__}: {error}"
    return None


def rows_affected(status: Any) -> int:  # noqa: ANN401 - asyncpg returns an untyped string
    """Return the count in a command tag such as `UPDATE 3`."""
    return int(str(status).rsplit(" ", 1)[-1])
