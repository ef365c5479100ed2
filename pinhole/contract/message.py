"""The base of every message: frozen, strict about names, JSON on the wire."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, PlainSerializer


def _rfc3339(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _in_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("the instant lies outside the years 1 to 9999 in UTC") from None


Instant = Annotated[
    AwareDatetime,
    AfterValidator(_in_utc),
    PlainSerializer(_rfc3339, when_used="json"),
]
"""An aware instant; UTC with milliseconds and `Z` on the wire (RFC 3339)."""


class Message(BaseModel):
    """A value that travels between services. Unknown fields are an error, not silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")

    def wire(self) -> bytes:
        """Return the JSON that is sent: no absent fields, no spaces."""
        return self.model_dump_json(exclude_none=True).encode()


class Reply(Message):
    """What a hub answers a camera: fields of a later version are passed over, not refused.

    Hubs are renewed before cameras on poles are.
    """

    model_config = ConfigDict(extra="ignore")
