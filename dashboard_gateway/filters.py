"""What a list of frames is filtered by: one reading of the URL, for the page and for the API."""

import re
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from multidict import MultiDict, MultiMapping

from dashboard_gateway.states import AnalysisState, BytesState
from pinhole.contract.errors import Unprocessable
from pinhole.contract.ids import is_name

_RELATIVE: Final = re.compile(r"now(?:-(\d{1,5})([smhdw]))?")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MAX_VALUES: Final = 32
_MAX_CLASS_LENGTH: Final = 100


class BadFilter(Unprocessable):
    """A parameter of the list cannot be understood."""

    reason = "BAD_FILTER"


State = TypeVar("State", BytesState, AnalysisState)


@dataclass(frozen=True)
class FrameFilter:
    """Which frames; empty fields do not filter. The times are kept as they were written."""

    camera: tuple[str, ...] = ()
    """"site/camera"."""
    site: tuple[str, ...] = ()
    class_name: tuple[str, ...] = field(default=(), metadata={"parameter": "class"})
    min_confidence: float | None = None
    from_text: str = field(default="", metadata={"parameter": "from"})
    to_text: str = field(default="", metadata={"parameter": "to"})
    bytes_state: tuple[BytesState, ...] = ()
    analysis_state: tuple[AnalysisState, ...] = ()

    @classmethod
    def of(cls, query: MultiMapping[str]) -> "FrameFilter":
        """Return the filter that a URL's query spells; other parameters are not looked at.

        Raises:
            BadFilter: a value cannot be understood; the sentence names the parameter.
        """
        return cls(
            camera=_names(query, "camera", slashes=1),
            site=_names(query, "site", slashes=0),
            class_name=_texts(query, "class"),
            min_confidence=_confidence(query.get("min_confidence", "")),
            from_text=_last(query, "from"),
            to_text=_last(query, "to"),
            bytes_state=tuple(_state(BytesState, name) for name in _texts(query, "bytes_state")),
            analysis_state=tuple(
                _state(AnalysisState, name) for name in _texts(query, "analysis_state")
            ),
        )

    @property
    def query(self) -> str:
        """The filter as a URL's query, without "?"; empty where nothing is filtered."""
        return urlencode(self.pairs)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Parameter and value of everything that filters."""
        pairs: list[tuple[str, str]] = []
        for one in fields(self):
            value = getattr(self, one.name)
            values = value if isinstance(value, tuple) else (value,)
            name = one.metadata.get("parameter", one.name)
            pairs += [(name, _written(item)) for item in values if item not in ("", None)]
        return pairs

    def without(self, parameter: str, value: str) -> "FrameFilter":
        """Return the filter less one of its values."""
        return FrameFilter.of(MultiDict(pair for pair in self.pairs if pair != (parameter, value)))

    def time_range(self, zone: ZoneInfo, now: datetime) -> tuple[datetime | None, datetime | None]:
        """Return the instants [from, to) meant, written without a zone in `zone`.

        Raises:
            BadFilter: a time cannot be understood.
        """
        return _instant("from", self.from_text, zone, now), _instant("to", self.to_text, zone, now)


def _names(query: MultiMapping[str], parameter: str, *, slashes: int) -> tuple[str, ...]:
    values = _texts(query, parameter)
    for value in values:
        parts = value.split("/")
        if len(parts) != slashes + 1 or not all(is_name(part) for part in parts):
            form = "site/camera" if slashes else "a site's name"
            raise BadFilter(f"{parameter} is {form}, got {value[:80]!r}")
    return values


def _texts(query: MultiMapping[str], parameter: str) -> tuple[str, ...]:
    values = tuple(dict.fromkeys(value for value in query.getall(parameter, []) if value))
    if len(values) > _MAX_VALUES:
        raise BadFilter(f"{parameter} was given {len(values)} times, the limit is {_MAX_VALUES}")
    for value in values:
        if len(value) > _MAX_CLASS_LENGTH or "\0" in value:
            raise BadFilter(f"{parameter} has at most {_MAX_CLASS_LENGTH} characters")
    return values


def _written(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _last(query: MultiMapping[str], parameter: str) -> str:
    """Return the last value that is not empty: the form has a preset and an exact time."""
    return next((text.strip() for text in reversed(query.getall(parameter, [])) if text), "")


def _confidence(text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise BadFilter(f"min_confidence is a number from 0 to 1, got {text[:20]!r}")
    return value or None


def _state(states: type[State], name: str) -> State:
    try:
        return states(name)
    except ValueError:
        raise BadFilter(f"a state is one of {', '.join(states)}; got {name!r}") from None


def _instant(parameter: str, text: str, zone: ZoneInfo, now: datetime) -> datetime | None:
    if not text:
        return None
    relative = _RELATIVE.fullmatch(text)
    if relative is not None:
        count, unit = relative.groups()
        return now - timedelta(**{_UNITS[unit]: int(count)}) if count else now
    try:
        # A URL that is not encoded turns the "+" of an offset into a space.
        instant = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        form = "2026-01-31T08:00, with or without an offset, or now-6h"
        raise BadFilter(f"{parameter} is a time such as {form}; got {text[:40]!r}") from None
    try:
        return (instant if instant.tzinfo else instant.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:
        raise BadFilter(f"{parameter} is out of range: {text[:40]!r}") from None
