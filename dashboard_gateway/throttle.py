"""Failed log-ins are counted in PostgreSQL, so that more workers do not mean more guesses.

Three counters in a window of 15 minutes: the pair of name and address (5) stops guessing one
account, the address (30) stops trying many names, the name (50) stops many addresses trying one
account, and is high so that an attacker cannot easily lock out its owner.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from pinhole.contract.errors import Busy
from pinhole.runtime.postgres import Pool

WINDOW: Final = timedelta(minutes=15)
PER_PAIR: Final = 5
PER_ADDRESS: Final = 30
PER_NAME: Final = 50


class TooManyAttempts(Busy):
    """Too many log-ins failed; the right password does not help before the window ends."""

    reason = "TOO_MANY_ATTEMPTS"


@dataclass(frozen=True)
class Attempt:
    """Who tries to log in, from where."""

    name: str
    address: str

    @property
    def pair_key(self) -> bytes:
        """The counter of this name from this address."""
        return _key("pair", self.name, self.address)

    @property
    def address_key(self) -> bytes:
        """The counter of this address."""
        return _key("address", self.address)

    @property
    def name_key(self) -> bytes:
        """The counter of this name."""
        return _key("name", self.name)


def _key(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode()).digest()


# Counted before the password is looked at: parallel guesses cannot all pass the check first.
# In the order of the keys: two log-ins never wait for each other's rows in a circle.
COUNT = """
    INSERT INTO dashboard.login_failures AS f (key, failures, since_at)
    SELECT key, 1, now() FROM unnest($1::bytea[]) AS key ORDER BY key
    ON CONFLICT (key) DO UPDATE SET
        failures = CASE WHEN f.since_at < now() - $2::interval THEN 1 ELSE f.failures + 1 END,
        since_at = CASE WHEN f.since_at < now() - $2::interval THEN now() ELSE f.since_at END
    RETURNING key, failures, extract(epoch FROM since_at + $2::interval - now())::float8 AS left_s
"""


async def count(pool: Pool, attempt: Attempt) -> None:
    """Count one attempt.

    Raises:
        TooManyAttempts: a limit is exceeded; `retry_after_s` is when its window ends.
    """
    limits = {
        attempt.pair_key: PER_PAIR,
        attempt.address_key: PER_ADDRESS,
        attempt.name_key: PER_NAME,
    }
    for row in await pool.fetch(COUNT, list(limits), WINDOW):
        if row["failures"] > limits[bytes(row["key"])]:
            minutes = max(1, round(row["left_s"] / 60))
            raise TooManyAttempts(
                f"too many failed log-ins; try again in {minutes} min",
                retry_after_s=row["left_s"],
            )


FORGIVE = (
    "DELETE FROM dashboard.login_failures WHERE key = ANY ($1) OR since_at < now() - $2::interval"
)
UNCOUNT = "UPDATE dashboard.login_failures SET failures = failures - 1 WHERE key = $1"


async def forgive(pool: Pool, attempt: Attempt) -> None:
    """Take back what a log-in that succeeded had counted, and all counts of ended windows.

    Only its own one of the address: a known password must not make others' guesses free.
    """
    await pool.execute(FORGIVE, [attempt.pair_key, attempt.name_key], WINDOW)
    await pool.execute(UNCOUNT, attempt.address_key)
