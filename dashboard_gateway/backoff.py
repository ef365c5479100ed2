"""How long to wait before trying again: doubled each time, bounded, spread out."""

import random
from typing import Final

FIRST_S: Final = 0.5
LONGEST_S: Final = 60.0
OUTAGE_LONGEST_S: Final = 10.0
"""While a service is away: soon after it is back, everything goes on."""


def delay_s(attempts: int, *, longest_s: float = LONGEST_S) -> float:
    """Return the delay after the given number of attempts (1 or more).

    It is 50 to 100 % of 0.5 s, 1 s, 2 s, … `longest_s`: what failed together comes back apart.
    """
    full_s = min(FIRST_S * 2.0 ** min(max(attempts - 1, 0), 30), longest_s)
    return full_s * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
