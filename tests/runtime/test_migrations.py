"""Migrations: run once, by number, and free of charge when there are none to run."""

import importlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files

import psycopg
import pytest

from pinhole.runtime.migrations import current_version, migrate, newest_version

PACKAGES = {
    "access": "pinhole.runtime.access",
    "dashboard": "dashboard_gateway.migrations",
    "pinning": "pinning.migrations",
}


@pytest.mark.parametrize("package", PACKAGES.values())
def test_the_number_of_a_migrations_file_is_its_revision(package: str) -> None:
    names = sorted(
        entry.name.removesuffix(".py")
        for entry in (files(package) / "versions").iterdir()
        if entry.name[0].isdigit()
    )
    numbers = [name[:4] for name in names]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]
    revisions = [importlib.import_module(f"{package}.versions.{name}").revision for name in names]
    assert revisions == numbers


@pytest.mark.parametrize(("schema", "package"), PACKAGES.items())
def test_an_empty_database_is_brought_to_the_newest_version(
    empty_postgres_dsn: str, schema: str, package: str
) -> None:
    assert current_version(empty_postgres_dsn, schema) is None
    migrate(empty_postgres_dsn, package, schema)
    assert current_version(empty_postgres_dsn, schema) == newest_version(package)


def test_two_services_that_start_at_once_migrate_once(empty_postgres_dsn: str) -> None:
    with ThreadPoolExecutor(2) as threads:
        both = [
            threads.submit(migrate, empty_postgres_dsn, PACKAGES["access"], "access")
            for _ in range(2)
        ]
        for one in both:
            one.result()
    with psycopg.connect(empty_postgres_dsn) as connection:
        versions = connection.execute("SELECT version_num FROM access.alembic_version").fetchall()
    assert len(versions) == 1


def test_a_start_with_nothing_to_migrate_does_not_load_alembic(postgres_dsn: str) -> None:
    code = (
        "import sys; from pinhole.runtime.migrations import migrate\n"
        "migrate(sys.argv[1], 'pinhole.runtime.access', 'access')\n"
        "assert 'alembic' not in sys.modules and 'sqlalchemy' not in sys.modules"
    )
    subprocess.run((sys.executable, "-c", code, postgres_dsn), check=True)


def test_another_kind_of_database_is_refused() -> None:
    with pytest.raises(ValueError, match="begins with postgresql://, got mysql"):
        migrate("mysql://host/db", PACKAGES["access"], "access")
