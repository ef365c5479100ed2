"""Alembic's entry for the schema `dashboard`."""

from pinhole.runtime.migrations import run_migrations

run_migrations()
