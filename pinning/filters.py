"""The filters of `GET /pins`, read from its query.

Source: IPFS Pinning Service API 1.0.0, `GET /pins`.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, TypeVar

from multidict import MultiMapping

from pinhole.contract.cid import CID_SCHEMA, Cid
from pinhole.contract.errors import Refused
from pinhole.contract.pins import MAX_NAME_LENGTH, Status
from pinhole.runtime.openapi import Parameter
from pinning.texts import check_storable

DEFAULT_LIMIT: Final = 10
MAX_LIMIT: Final = 1000
MAX_CIDS: Final = 10
MAX_META_FILTERS: Final = 50
"""More do not fit into the first line of a request, which has at most 8,190 bytes."""

# A day from the ends of what can be stored: an offset must not lead beyond.
_MIN_YEAR: Final = 2
_MAX_YEAR: Final = 9998
_RFC_3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})",
    re.IGNORECASE,
)

W = TypeVar("W", bound=StrEnum)


class Match(StrEnum):
    """How `name` is compared."""

    EXACT = "exact"
    IEXACT = "iexact"
    PARTIAL = "partial"
    IPARTIAL = "ipartial"


@dataclass(frozen=True)
class Filter:
    """Which pins of one owner are listed; None does not filter."""

    cids: list[Cid] | None = None
    name: str | None = None
    match: Match = Match.EXACT
    statuses: list[Status] | None = None
    before: datetime | None = None
    after: datetime | None = None
    limit: int = DEFAULT_LIMIT
    meta: dict[str, str] | None = None

    @classmethod
    def of(cls, query: MultiMapping[str], *, default_statuses: list[Status]) -> "Filter":
        """Return the filter that a query asks for.

        Raises:
            Refused: a parameter is malformed; the sentence names it.
        """
        name = query.get("name")
        if name is not None and len(name) > MAX_NAME_LENGTH:
            raise Refused(f"name has {len(name)} characters, the limit is {MAX_NAME_LENGTH}")
        check_storable("name", name or "")
        return cls(
            cids=_cids(query),
            name=name,
            match=_word(Match, "match", query.get("match", Match.EXACT)),
            statuses=[_word(Status, "status", word) for word in _words(query, "status")]
            or default_statuses,
            before=_instant(query, "before"),
            after=_instant(query, "after"),
            limit=_limit(query.get("limit", str(DEFAULT_LIMIT))),
            meta=_meta(query.get("meta")),
        )


def _words(query: MultiMapping[str], name: str) -> list[str]:
    """Return a list that is written with commas, or by repeating the parameter, or both."""
    return [word for text in query.getall(name, []) for word in text.split(",") if word]


def _cids(query: MultiMapping[str]) -> list[Cid] | None:
    words = _words(query, "cid")
    if len(words) > MAX_CIDS:
        raise Refused(f"cid has {len(words)} values, the limit is {MAX_CIDS}")
    # A CID that Pinhole cannot hold is refused, as everywhere.
    return [Cid.parse(word) for word in words] or None


def _word(kind: type[W], name: str, word: str) -> W:
    try:
        return kind(word)
    except ValueError:
        known = ", ".join(kind)
        raise Refused(f"{name} is one of {known}; got {word[:40]!r}") from None


def _instant(query: MultiMapping[str], name: str) -> datetime | None:
    text = query.get(name)
    if text is None:
        return None
    # "+" of an offset arrives as a space where the client did not escape it.
    escaped = text.replace(" ", "+")
    try:
        # `fromisoformat` alone takes weeks, dates without a time and more.
        instant = datetime.fromisoformat(escaped) if _RFC_3339.fullmatch(escaped) else None
    except ValueError:
        instant = None
    if instant is None or not _MIN_YEAR <= instant.year <= _MAX_YEAR:
        raise Refused(
            f"{name} is an RFC 3339 instant with its zone, from the year {_MIN_YEAR} to "
            f"{_MAX_YEAR}; got {text[:40]!r}"
        )
    return instant.astimezone(UTC)


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:5]) <= MAX_LIMIT:
        raise Refused(f"limit is a number from 1 to {MAX_LIMIT}; got {text[:40]!r}")
    return int(text)


def _meta(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    try:
        meta = json.loads(text)
    except (ValueError, RecursionError):
        meta = None
    if not isinstance(meta, dict) or not all(isinstance(value, str) for value in meta.values()):
        raise Refused("meta is a JSON object of strings") from None
    if len(meta) > MAX_META_FILTERS:
        raise Refused(f"meta has {len(meta)} keys, the limit is {MAX_META_FILTERS} in a filter")
    check_storable("meta", *meta, *meta.values())
    return meta


_INSTANT: Final = {
    "type": "string",
    "format": "date-time",
    "pattern": "^(?!000[01]|9999)[0-9]{4}-",
}
PARAMETERS: Final = (
    Parameter(
        name="cid",
        schema={"type": "array", "items": CID_SCHEMA, "minItems": 1, "maxItems": MAX_CIDS},
        description="these CIDs, in any base and version",
    ),
    Parameter(
        name="name",
        schema={"type": "string", "maxLength": MAX_NAME_LENGTH},
        description="this name, compared as `match` says",
    ),
    Parameter(
        name="match",
        schema={"type": "string", "enum": list(Match), "default": Match.EXACT},
        description="whole or part of the name, with or without regard to case",
    ),
    Parameter(
        name="status",
        schema={
            "type": "array",
            "items": {"type": "string", "enum": list(Status)},
            "minItems": 1,
            "uniqueItems": True,
        },
        description="these; without it `pinned`, or what the token's switch says",
    ),
    Parameter(name="before", schema=_INSTANT, description="asked for before this instant"),
    Parameter(name="after", schema=_INSTANT, description="asked for after this instant"),
    Parameter(
        name="limit",
        schema={
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_LIMIT,
            "default": DEFAULT_LIMIT,
        },
        description="most pins on the page",
    ),
    Parameter(
        name="meta",
        schema={
            "type": "object",
            "additionalProperties": {"type": "string"},
            "maxProperties": MAX_META_FILTERS,
        },
        description="these keys with these values, as a JSON object",
    ),
)
