"""Alembic's entry for the schema `pinning`."""

from pinhole.runtime.migrations import run_migrations

run_migrations()
