"""Running pending migrations with Alembic, which is loaded for that alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from typing import Any, Final

from alembic import command, context
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

LOCK_ID: Final = 0x70_69_6E_68  # "pinh"


def upgrade(dsn: str, package: str, schema: str) -> None:
    """Bring `schema` to the newest version in `package`; concurrent starts wait for each other."""
    with as_file(files(package)) as folder, _connection(dsn) as connection:
        connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
        connection.commit()
        config = Config()
        # Alembic's configuration interpolates "%".
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.attributes["connection"] = connection
        config.attributes["schema"] = schema
        command.upgrade(config, "head")


def run_pending() -> None:
    """Run the pending migrations on the connection that `upgrade` opened."""
    attributes: dict[str, Any] = context.config.attributes
    context.configure(
        connection=attributes["connection"], version_table_schema=attributes["schema"]
    )
    with context.begin_transaction():
        context.run_migrations()


@contextmanager
def _connection(dsn: str) -> Iterator[Connection]:
    _, _, rest = dsn.partition("://")
    engine = create_engine(f"postgresql+psycopg://{rest}", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:id)"), {"id": LOCK_ID})
        connection.commit()
        try:
            yield connection
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:id)"), {"id": LOCK_ID})
            connection.commit()
    engine.dispose()
