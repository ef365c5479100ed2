"""PostgreSQL going away for one test's database, while the server lives on for the others."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg

from tests.support.databases import Databases

END_ALL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1"


@asynccontextmanager
async def no_postgres(databases: Databases, dsn: str) -> AsyncIterator[None]:
    """Cut every connection to the database of `dsn` and allow no new one."""
    name = urlsplit(dsn).path.lstrip("/")
    connection = await asyncpg.connect(databases.server.dsn)
    try:
        await connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        await connection.execute(END_ALL, name)
        try:
            yield
        finally:
            await connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    finally:
        await connection.close()
