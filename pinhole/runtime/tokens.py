"""Bearer tokens: who calls, and what it may do.

A token is 32 random bytes; only its SHA-256 is kept (a random secret needs no slow hash). Services
with PostgreSQL read `access.tokens`; the detector, which has no database, reads a file of the same
hashes.
"""

import asyncio
import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from aiohttp import web

from pinhole.contract.errors import Forbidden, Unauthorized
from pinhole.contract.scopes import Scope

if TYPE_CHECKING:
    # Not at run time: the detector has no database, and its installation no asyncpg.
    from pinhole.runtime.postgres import Pool

PREFIX: Final = "pnh_"
MAX_LENGTH: Final = 128
CACHE_S: Final = 2.0
"""How long a looked-up token is believed: a revocation is effective within this time."""


@dataclass(frozen=True)
class Token:
    """A verified caller."""

    name: str
    scopes: frozenset[Scope]
    cameras: tuple[str, ...] | None = None
    """"site" or "site/camera" that the token is limited to; None sees all."""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        """The owner of what this token creates."""
        return f"token:{self.name}"

    def may(self, scope: Scope) -> bool:
        """Whether the token carries `scope`."""
        return scope in self.scopes

    def sees(self, site: str, camera: str) -> bool:
        """Whether the token's limits include a camera."""
        return self.cameras is None or site in self.cameras or f"{site}/{camera}" in self.cameras


class Tokens(Protocol):
    """Where tokens are looked up."""

    async def find(self, token_hash: bytes) -> Token | None:
        """Return the valid token with this hash."""


TOKENS: web.AppKey[Tokens] = web.AppKey("tokens", Tokens)


def mint() -> tuple[str, bytes]:
    """Return a new secret, to be shown once, and the hash to keep."""
    secret = PREFIX + secrets.token_urlsafe(32)
    return secret, hash_of(secret)


def hash_of(secret: str) -> bytes:
    """Return the SHA-256 under which a secret is kept."""
    return hashlib.sha256(secret.encode()).digest()


class PostgresTokens:
    """Tokens in `access.tokens`, cached for `CACHE_S`."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._cache: dict[bytes, tuple[float, Token | None]] = {}

    FIND = """
        SELECT name, scopes, cameras, options FROM access.tokens
        WHERE token_hash = $1 AND revoked_at IS NULL
          AND (expires_at IS NULL OR expires_at > now())
    """

    async def find(self, token_hash: bytes) -> Token | None:
        """Return the valid token with this hash, at most `CACHE_S` old."""
        now = time.monotonic()
        cached = self._cache.get(token_hash)
        if cached is not None and now - cached[0] < CACHE_S:
            return cached[1]
        row = await self._pool.fetchrow(self.FIND, token_hash)
        token = _token(dict(row)) if row is not None else None
        if len(self._cache) > 10_000:  # noqa: PLR2004 - a guesser must not fill the memory
            self._cache.clear()
        self._cache[token_hash] = (now, token)
        return token


class FileTokens:
    """Tokens in a JSON file `[{"hash", "name", "scopes", …}]`, read again when it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at: tuple[int, int] | None = None
        self._tokens: dict[bytes, Token] = {}

    async def find(self, token_hash: bytes) -> Token | None:
        """Return the token with this hash. A few kilobytes are read only after a change."""
        status = os.stat(self._path)  # noqa: PTH116 - 1 µs, no event loop needed
        version = (status.st_mtime_ns, status.st_size)
        if version != self._read_at:
            entries = json.loads(self._path.read_text(encoding="utf-8"))
            self._tokens = {bytes.fromhex(entry["hash"]): _token(entry) for entry in entries}
            self._read_at = version
        return self._tokens.get(token_hash)


def _token(entry: Mapping[str, Any]) -> Token:
    cameras = entry.get("cameras")
    return Token(
        name=entry["name"],
        scopes=frozenset(Scope(scope) for scope in entry["scopes"]),
        cameras=tuple(cameras) if cameras is not None else None,
        options=entry.get("options") or {},
    )


def bearer_of(request: web.Request) -> str | None:
    """Return the secret in `Authorization: Bearer …`, if there is one of a plausible length."""
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not 0 < len(secret) <= MAX_LENGTH:
        return None
    return secret


async def identify(request: web.Request) -> Token | None:
    """Return the token that the request carries, or None where it carries none that is valid."""
    secret = bearer_of(request)
    if secret is None:
        return None
    return await request.app[TOKENS].find(hash_of(secret))


async def require(request: web.Request, *scopes: Scope) -> Token:
    """Return the caller's token, which carries at least one of `scopes`.

    Raises:
        Unauthorized: no valid token.
        Forbidden: a valid token without any of the scopes.
    """
    token = await identify(request)
    if token is None:
        raise Unauthorized("a valid bearer token is needed")
    if not any(token.may(scope) for scope in scopes):
        needed = " or ".join(scopes)
        raise Forbidden(f"the token {token.name!r} lacks the scope {needed}")
    return token


INSERT = """
    INSERT INTO access.tokens (token_hash, name, scopes, cameras, options, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6)
"""


async def create_token(
    pool: "Pool",
    name: str,
    scopes: Iterable[Scope],
    *,
    cameras: Iterable[str] | None = None,
    options: Mapping[str, Any] | None = None,
    expires_at: datetime | None = None,
) -> str:
    """Store a new token and return its secret, which cannot be had again."""
    secret, token_hash = mint()
    limited = list(cameras) if cameras is not None else None
    await pool.execute(
        INSERT, token_hash, name, sorted(scopes), limited, dict(options or {}), expires_at
    )
    return secret


EXPORT = """
    SELECT encode(token_hash, 'hex') AS hash, name, scopes, cameras FROM access.tokens
    WHERE $1 = ANY (scopes) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
    ORDER BY created_at
"""


async def export_tokens(pool: "Pool", scope: Scope, path: Path) -> int:
    """Write the hashes of the tokens with `scope` to `path`, whole or not at all; return how many.

    This is how the detector, which has no database, learns who may ask it.
    """
    rows = [dict(row) for row in await pool.fetch(EXPORT, scope, datetime.now(UTC))]
    await asyncio.to_thread(write_tokens, path, rows)
    return len(rows)


def write_tokens(path: Path, entries: list[dict[str, Any]]) -> None:
    """Write a tokens file atomically, readable by its owner only."""
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(entries, file, indent=1)
    part.replace(path)
