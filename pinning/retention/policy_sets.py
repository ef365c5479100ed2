"""The policies in force and those that were: one row a version. SQL only."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import asyncpg

from pinhole.contract.dry_runs import PolicyVersion, PolicyVersions, VersionEntry
from pinhole.contract.errors import NotFound
from pinhole.contract.policies import Policy
from pinhole.runtime.postgres import Connection, Pool

_LOCK: Final = 0x70_6F_6C_69  # "poli"

CURRENT = "SELECT * FROM pinning.policy_sets ORDER BY version DESC LIMIT 1"


async def current(connection: Connection | Pool) -> PolicyVersion:
    """Return the set that is in force."""
    row = await connection.fetchrow(CURRENT)
    assert row is not None  # noqa: S101 - the first version comes with the table
    return _version(row)


GET = "SELECT * FROM pinning.policy_sets WHERE version = $1"


async def get(pool: Pool, version: int) -> PolicyVersion:
    """Return a set by its version.

    Raises:
        NotFound: there was no such version.
    """
    row = await pool.fetchrow(GET, version)
    if row is None:
        raise NotFound(f"there is no version {version} of the policies")
    return _version(row)


LIST = """
    SELECT version, applied_at, applied_by, jsonb_array_length(policies) AS policies, enforced
    FROM pinning.policy_sets ORDER BY version DESC LIMIT 1000
"""


async def versions(pool: Pool) -> PolicyVersions:
    """Return every version, newest first."""
    return PolicyVersions(versions=[VersionEntry(**dict(row)) for row in await pool.fetch(LIST)])


async def changing(connection: Connection) -> None:
    """Keep others from changing the policies until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)


ADD = """
    INSERT INTO pinning.policy_sets (version, policies, applied_by, dry_run, confirmed)
    SELECT max(version) + 1, $1, $2, $3, $4 FROM pinning.policy_sets RETURNING *
"""


async def add(
    connection: Connection,
    policies: Sequence[Policy],
    by: str,
    dry_run: UUID,
    confirmed: Sequence[str],
) -> PolicyVersion:
    """Put policies into force, under `changing`; what was found to be over is judged anew."""
    documents = documents_of(policies)
    row = await connection.fetchrow(ADD, documents, by, dry_run, sorted(set(confirmed)))
    assert row is not None  # noqa: S101 - it was just inserted
    await connection.execute("DELETE FROM pinning.expired")
    return _version(row)


SETTLE = """
    UPDATE pinning.policy_sets SET confirmed = '{}' WHERE version = $1 AND confirmed <> '{}'
"""


async def forget_confirmations(connection: Connection | Pool, version: int) -> None:
    """Let the usual share hold again: what was confirmed is done."""
    await connection.execute(SETTLE, version)


def documents_of(policies: Sequence[Policy]) -> list[object]:
    """Return policies as they are stored."""
    return [policy.model_dump(mode="json", exclude_none=True) for policy in policies]


def _version(row: asyncpg.Record) -> PolicyVersion:
    return PolicyVersion(
        policies=[Policy.model_validate(document) for document in row["policies"]],
        version=row["version"],
        applied_at=row["applied_at"],
        applied_by=row["applied_by"],
        dry_run=str(row["dry_run"]) if row["dry_run"] is not None else None,
        enforced=row["enforced"],
        confirmed=row["confirmed"],
    )
