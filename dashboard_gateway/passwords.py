"""Passwords: argon2id in threads of their own, and the rule for new ones.

Source: RFC 9106 (argon2-cffi's default is its second recommended option, 64 MiB); NIST SP 800-63B
§5.1.1.2 for length instead of composition.
"""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pinhole.contract.errors import Unprocessable

MIN_LENGTH: Final = 10
MAX_LENGTH: Final = 256
_GROUPS: Final = 4
# Without letters and digits that look alike: the password is read from a terminal once.
_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_HASHER: Final = PasswordHasher()
# Two at once: each takes 64 MiB and all lanes of a core for about 50 ms.
_THREADS: Final = ThreadPoolExecutor(2, thread_name_prefix="argon2")


class BadPassword(Unprocessable):
    """A new password does not meet the rule."""

    reason = "BAD_PASSWORD"


def one_time() -> str:
    """Return a password to be changed at the first log-in: `abcd-efgh-jkmn-pqrs`, 79 bits."""
    groups = ["".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(_GROUPS)]
    return "-".join(groups)


def hash_now(password: str) -> str:
    """Return the hash of a password; blocking, for commands."""
    return _HASHER.hash(password)


# Verified where the user does not exist, so that the answer takes as long as for one who does.
_NOBODY: Final = hash_now(secrets.token_urlsafe(16))


async def hash_of(password: str) -> str:
    """Return the hash of a password."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, hash_now, password)


async def verify(password: str, password_hash: str | None) -> bool:
    """Whether the password is the one; takes as long where there is no hash."""
    return await asyncio.get_running_loop().run_in_executor(
        _THREADS, _verified, password, password_hash
    )


def _verified(password: str, password_hash: str | None) -> bool:
    try:
        _HASHER.verify(password_hash or _NOBODY, password)
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def check_new(password: str, *, name: str, old: str) -> None:
    """Check a new password.

    Raises:
        BadPassword: too short, too long, the old one or the name.
    """
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise BadPassword(f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters")
    if password == old:
        raise BadPassword("the new password is the old one")
    if name.lower() in password.lower():
        raise BadPassword("the password contains your name")
