"""PostgreSQL for tests: one server a session, one freshly migrated database a test."""

import importlib.util
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from pinhole.runtime.migrations import migrate
from pinhole.stack.postgres_server import PostgresServer
from pinhole.stack.program import running

_TEMPLATE = "pinhole_template"
# (schema, package that holds its migrations); a service that is not there yet is left out.
_MIGRATIONS = (
    ("access", "pinhole.runtime.access"),
    ("pinning", "pinning.migrations"),
    ("dashboard", "dashboard_gateway.migrations"),
)
# Nothing here has to survive the machine: without fsync a clone takes 40 ms instead of 150.
_OPTIONS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "200",
}


@dataclass(frozen=True)
class Databases:
    """A running server that gives out databases."""

    server: PostgresServer
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @contextmanager
    def clone(self) -> Iterator[str]:
        """Give a copy of the migrated template by its address, and drop it at the end."""
        name = f"pinhole_test_{next(self._numbers)}"
        self._run(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(_TEMPLATE)
            )
        )
        try:
            yield self.server.dsn_of(name)
        finally:
            # FORCE ends connections that a failed test left open.
            self._run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    @contextmanager
    def empty(self) -> Iterator[str]:
        """Give an empty database by its address, for tests of the migrations themselves."""
        name = f"pinhole_empty_{next(self._numbers)}"
        self._run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield self.server.dsn_of(name)
        finally:
            self._run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def make_template(self) -> None:
        """Create the template with every service's tables."""
        self._run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
        for schema, package in _MIGRATIONS:
            if _exists(package):
                migrate(self.server.dsn_of(_TEMPLATE), package, schema)

    def _run(self, statement: sql.Composed) -> None:
        # CREATE and DROP DATABASE cannot run inside a transaction.
        with psycopg.connect(self.server.dsn, autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def databases(directory: Path) -> Iterator[Databases]:
    """Run a server in `directory` with its template made."""
    server = PostgresServer(
        data_dir=directory / "data", log=directory / "postgres.log", options=_OPTIONS
    )
    server.prepare()
    with running(server.program()):
        given = Databases(server)
        given.make_template()
        yield given


def _exists(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False
