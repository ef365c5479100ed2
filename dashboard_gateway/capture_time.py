"""When a frame was captured, as far as that can be believed.

A camera's clock may be a year off; what it says is kept, marked, and not sorted by. Order within a
stream comes from (stream, seq), never from here.
"""

from datetime import datetime, timedelta
from typing import Final

MOST_AHEAD: Final = timedelta(minutes=5)
"""A capture may seem to lie this far in the future: the signature's own tolerance."""


def believed(
    claimed_at: datetime,
    clock_offset_ms: int | None,
    received_at: datetime,
    plausible_age: timedelta,
) -> datetime:
    """Return `claimed_at` where it is plausible, else the best that the hub knows.

    That is the claimed time corrected by what the camera knows of its clock's error, or, where
    that is implausible too, the time of arrival.
    """

    def plausible(instant: datetime) -> bool:
        return received_at - plausible_age <= instant <= received_at + MOST_AHEAD

    if plausible(claimed_at):
        return claimed_at
    try:
        corrected = claimed_at + timedelta(milliseconds=clock_offset_ms or 0)
    except OverflowError:
        return received_at
    return corrected if plausible(corrected) else received_at
