"""Numbers, times and states in the reader's words."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from dashboard_gateway.states import AnalysisState, BytesState
from pinhole.contract.cid import Cid

_THOUSAND: Final = 1000
_TEN: Final = 10
_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")
_AGES: Final = ((86_400, "d"), (3600, "h"), (60, "min"))

BYTES_WORDS: Final[dict[BytesState, str]] = {
    BytesState.AWAITED: "waiting for the camera's bytes",
    BytesState.PINNED: "kept at the hub",
    BytesState.MISSING: "the hub cannot get the bytes; it keeps trying",
    BytesState.ARCHIVED: "in the archive",
    BytesState.RELEASED: "released: the bytes were let go",
    BytesState.ERASED: "erased on request",
    BytesState.LOST: "lost: the camera no longer has the bytes",
    BytesState.INVALID: "refused: not the bytes that were promised",
}
ANALYSIS_WORDS: Final[dict[AnalysisState, str]] = {
    AnalysisState.WAITING: "waiting for the detector",
    AnalysisState.DETECTED: "analysed",
    AnalysisState.INVALID: "not a picture the detector can read",
    AnalysisState.FAILED: "the detector gave up",
}
CHAIN_WORDS: Final[dict[str, str]] = {
    "verified": "signed by the camera, nothing missing before it",
    "pending": "signed by the camera; frames before it have not come yet",
    "broken": "signed by the camera, but the chain before it is broken",
    "unchained": "from a sender without a chain",
}


def size(size_bytes: int | None) -> str:
    """Return a size in powers of ten: `203 kB`, `1.4 MB`."""
    if size_bytes is None:
        return "unknown size"
    value, unit = float(size_bytes), 0
    while value >= _THOUSAND and unit < len(_UNITS) - 1:
        value, unit = value / _THOUSAND, unit + 1
    digits = 1 if unit > 1 and value < _TEN else 0
    return f"{value:.{digits}f} {_UNITS[unit]}"


def short_cid(cid: Cid) -> str:
    """Return a CID shortened in the middle; it is always copied whole."""
    text = str(cid)
    return f"{text[:11]}…{text[-6:]}"


def duration(seconds: float) -> str:
    """Return a duration in its largest unit: `12 s`, `4 min`, `3 h`, `2 d`."""
    for unit_s, unit in _AGES:
        if seconds >= unit_s:
            return f"{int(seconds // unit_s)} {unit}"
    return f"{max(0, int(seconds))} s"


def short_duration(seconds: float) -> str:
    """Return how long a step took: `80 ms`, `1.4 s`, `4 min`."""
    if seconds < 1:
        return f"{max(0, round(seconds * 1000))} ms"
    return f"{seconds:.1f} s" if seconds < _TEN else duration(seconds)


def clock(at: datetime, zone: ZoneInfo) -> str:
    """Return the time of day: `10:32:07`."""
    return f"{at.astimezone(zone):%H:%M:%S}"


def day(at: datetime, zone: ZoneInfo) -> str:
    """Return the date: `21 Nov 2026`."""
    local = at.astimezone(zone)
    return f"{local.day} {local:%b %Y}"


def moment(at: datetime, zone: ZoneInfo) -> str:
    """Return the whole instant with its zone: `Saturday 21 November 2026, 10:32:07.123 CET`."""
    local = at.astimezone(zone)
    return (
        f"{local:%A} {local.day} {local:%B %Y, %H:%M:%S}.{local.microsecond // 1000:03} {local:%Z}"
    )


def day_header(at: datetime, zone: ZoneInfo, now: datetime) -> str:
    """Return the header over a day's frames: `Today`, `Yesterday`, `Thursday 19 November 2026`."""
    local, today = at.astimezone(zone).date(), now.astimezone(zone).date()
    match (today - local).days:
        case 0:
            return "Today"
        case 1:
            return "Yesterday"
    return f"{local:%A} {local.day} {local:%B %Y}"
