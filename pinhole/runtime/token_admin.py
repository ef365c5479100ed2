"""Managing bearer tokens: what an operator and the stack's first start do with them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pinhole.contract.scopes import Scope
from pinhole.runtime.postgres import Pool, rows_affected
from pinhole.runtime.tokens import hash_of


@dataclass(frozen=True)
class TokenEntry:
    """What is known of a token; its secret is not."""

    name: str
    scopes: tuple[Scope, ...]
    cameras: tuple[str, ...] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    options: Mapping[str, object]


KEEP = """
    INSERT INTO access.tokens (token_hash, name, scopes) VALUES ($1, $2, $3)
    ON CONFLICT (name) DO UPDATE
    SET token_hash = excluded.token_hash, scopes = excluded.scopes, revoked_at = NULL
    WHERE tokens.token_hash <> excluded.token_hash OR tokens.scopes <> excluded.scopes
       OR tokens.revoked_at IS NOT NULL
"""


async def keep_token(pool: Pool, name: str, secret: str, scopes: Iterable[Scope]) -> None:
    """Make `secret` the valid token called `name`; saying it again changes nothing."""
    await pool.execute(KEEP, hash_of(secret), name, sorted(scopes))


LIST = """
    SELECT name, scopes, cameras, created_at, expires_at, revoked_at, options
    FROM access.tokens ORDER BY created_at, name
"""


async def list_tokens(pool: Pool) -> list[TokenEntry]:
    """Return every token, revoked ones included, oldest first."""
    return [
        TokenEntry(
            name=row["name"],
            scopes=tuple(Scope(scope) for scope in row["scopes"]),
            cameras=tuple(row["cameras"]) if row["cameras"] is not None else None,
            created_at=row["created_at"],
            expires_at=row["expires_at"],
            revoked_at=row["revoked_at"],
            options=row["options"],
        )
        for row in await pool.fetch(LIST)
    ]


REVOKE = "UPDATE access.tokens SET revoked_at = now() WHERE name = $1 AND revoked_at IS NULL"


async def revoke_token(pool: Pool, name: str) -> bool:
    """End a token; return whether there was a valid one called `name`."""
    return rows_affected(await pool.execute(REVOKE, name)) > 0
