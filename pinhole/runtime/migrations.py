"""Numbered migrations, run by Alembic; the DDL in them is plain SQL text.

Each owner has a package `<owner>.migrations` with `env.py` (one line) and `versions/0001_*.py`,
whose number is its revision. One schema per owner, its version table inside it. A session lock
makes concurrent starts wait.
"""

import re
from importlib.resources import files
from typing import Final
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from pinhole.contract.errors import Unavailable

_NUMBERED: Final = re.compile(r"(\d{4})_\w+\.py")


def migrate(dsn: str, package: str, schema: str) -> None:
    """Bring `schema` to the newest version in `package`. Blocking; call it before serving.

    Args:
        dsn: `postgresql://…`; a unix socket as `?host=/path` works.
        package: importable name of the migrations, for example `pinning.migrations`.
        schema: created where it does not exist.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    scheme = urlsplit(dsn).scheme
    if scheme not in {"postgresql", "postgres"}:
        raise ValueError(f"a PostgreSQL DSN begins with postgresql://, got {scheme}")
    if current_version(dsn, schema) == newest_version(package):
        return
    # Alembic and SQLAlchemy take 1.3 s to load; nearly every start has nothing for them to do.
    from pinhole.runtime import upgrading  # noqa: PLC0415

    upgrading.upgrade(dsn, package, schema)


def run_migrations() -> None:
    """Run the pending migrations: all of a package's `env.py`, which Alembic calls."""
    from pinhole.runtime import upgrading  # noqa: PLC0415

    upgrading.run_pending()


def newest_version(package: str) -> str:
    """Return the number of the newest migration in `package`."""
    names = (entry.name for entry in (files(package) / "versions").iterdir())
    return max(match[1] for match in map(_NUMBERED.fullmatch, names) if match is not None)


def current_version(dsn: str, schema: str) -> str | None:
    """Return the number of the newest migration in the database, None before the first."""
    table = sql.Identifier(schema, "alembic_version")
    try:
        with psycopg.connect(dsn) as connection:
            row = connection.execute(sql.SQL("SELECT version_num FROM {}").format(table)).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return None
    except psycopg.OperationalError as error:
        sentence = " ".join(str(error).split())
        raise Unavailable(sentence, reason="DATABASE_UNAVAILABLE") from error
    return str(row[0]) if row is not None else None
