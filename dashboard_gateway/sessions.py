"""Sessions: 32 random bytes in a cookie, their SHA-256 in PostgreSQL, gone when deleted there."""

import hashlib
import secrets
from datetime import timedelta
from typing import Final

from aiohttp import web

from pinhole.runtime.postgres import Connection, Pool

COOKIE: Final = "pinhole_session"
SECURE_COOKIE: Final = "__Host-pinhole_session"
"""Under HTTPS: the prefix makes browsers insist on Secure, Path=/ and no Domain (RFC 6265bis)."""
_SECRET_LENGTH: Final = 43  # token_urlsafe(32)


def cookie_name(*, secure: bool) -> str:
    """Return the name of the session's cookie."""
    return SECURE_COOKIE if secure else COOKIE


def secret_of(request: web.Request, name: str) -> str | None:
    """Return the session's secret that a request carries, if any of the right length.

    `request.cookies` costs 25 µs (it parses with regular expressions); this is on the way of every
    picture and costs 1.
    """
    header = request.headers.get("Cookie")
    if header is None:
        return None
    for pair in header.split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name and len(value) == _SECRET_LENGTH:
            return value
    return None


def hash_of(secret: str) -> bytes:
    """Return the hash under which a session is kept."""
    return hashlib.sha256(secret.encode()).digest()


CREATE = """
    INSERT INTO dashboard.sessions (token_hash, user_id, expires_at)
    VALUES ($1, $2, now() + $3::interval)
"""


async def create(pool: Pool, user_id: int, lifetime: timedelta) -> str:
    """Store a new session and return its secret."""
    secret = secrets.token_urlsafe(32)
    await pool.execute(CREATE, hash_of(secret), user_id, lifetime)
    return secret


DELETE = "DELETE FROM dashboard.sessions WHERE token_hash = $1"


async def delete(pool: Pool, secret: str) -> None:
    """End one session, everywhere."""
    await pool.execute(DELETE, hash_of(secret))


DELETE_ALL = "DELETE FROM dashboard.sessions WHERE user_id = $1"


async def delete_all(pool: Pool | Connection, user_id: int) -> None:
    """End every session of a user: its password changed, or it was disabled."""
    await pool.execute(DELETE_ALL, user_id)


DELETE_EXPIRED = "DELETE FROM dashboard.sessions WHERE expires_at < now()"


async def delete_expired(pool: Pool) -> None:
    """Remove sessions that are over. Called at each log-in: rare, and enough."""
    await pool.execute(DELETE_EXPIRED)
