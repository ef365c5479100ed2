"""Alembic's entry for the schema `access`."""

from pinhole.runtime.migrations import run_migrations

run_migrations()
