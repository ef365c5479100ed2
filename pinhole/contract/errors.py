"""Errors by what the caller can do: correct the request, or try it again."""

from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from pinhole.contract.message import Instant


class PinholeError(Exception):
    """Something went wrong; `details` is a sentence with the value seen and the limit."""

    reason: str = "INTERNAL"
    status: ClassVar[int] = 500
    hub_time: datetime | None = None
    """What CLOCK_SKEW tells its sender; every other error has none."""

    def __init__(self, details: str, *, reason: str | None = None) -> None:
        super().__init__(details)
        self.details = details
        if reason is not None:
            self.reason = reason


class Refused(PinholeError):
    """The request cannot succeed as it is; repeating it unchanged is useless."""

    reason = "BAD_REQUEST"
    status: ClassVar[int] = 400


class Unauthorized(Refused):
    """The request does not say, or cannot prove, who sends it."""

    reason = "UNAUTHORIZED"
    status: ClassVar[int] = 401


class Forbidden(Refused):
    """The sender is known and may not do this."""

    reason = "FORBIDDEN"
    status: ClassVar[int] = 403


class NotFound(Refused):
    """There is no such object, or none that this caller may see."""

    reason = "NOT_FOUND"
    status: ClassVar[int] = 404


class Conflict(Refused):
    """The same identity was used before with other content."""

    reason = "CONFLICT"
    status: ClassVar[int] = 409


class Gone(Refused):
    """The object was here and was released or erased."""

    reason = "GONE"
    status: ClassVar[int] = 410


class TooLarge(Refused):
    """The body, picture or list exceeds a limit."""

    reason = "TOO_LARGE"
    status: ClassVar[int] = 413


class Unprocessable(Refused):
    """The request is well formed and its content cannot be used."""

    reason = "UNPROCESSABLE"
    status: ClassVar[int] = 422


class Unavailable(PinholeError):
    """It may work later: the caller keeps what it has and tries again."""

    reason = "UNAVAILABLE"
    status: ClassVar[int] = 503

    def __init__(
        self, details: str, *, reason: str | None = None, retry_after_s: float = 1.0
    ) -> None:
        super().__init__(details, reason=reason)
        self.retry_after_s = retry_after_s


class Busy(Unavailable):
    """A bounded queue is full."""

    reason = "BUSY"
    status: ClassVar[int] = 429


class DeadlineExceeded(Unavailable):
    """Something further down did not answer in time."""

    reason = "DEADLINE_EXCEEDED"
    status: ClassVar[int] = 504


class ErrorDetail(BaseModel):
    """The two fields of every error body, and the hub's time where CLOCK_SKEW tells it."""

    model_config = ConfigDict(frozen=True)

    reason: str
    details: str
    hub_time: Instant | None = None


class ErrorBody(BaseModel):
    """The body of every answer that is not a success: `{"error": {"reason", "details"}}`."""

    model_config = ConfigDict(frozen=True)

    error: ErrorDetail

    @classmethod
    def of(cls, error: PinholeError) -> "ErrorBody":
        """Return the body for `error`."""
        return cls(
            error=ErrorDetail(reason=error.reason, details=error.details, hub_time=error.hub_time)
        )

    def wire(self) -> bytes:
        """Return the JSON that is sent: no absent fields, no spaces."""
        return self.model_dump_json(exclude_none=True).encode()
