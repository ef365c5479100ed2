"""A want: these bytes, from this owner. What became of it, and why not."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pinhole.contract.cid import Cid
from pinhole.contract.owners import Owner
from pinhole.contract.pins import Status

_MAX_DETAILS_LENGTH: Final = 500


@dataclass(frozen=True)
class Want:
    """Bytes and whose they must be. Several pins may share one want; one attempt serves them."""

    owner: Owner
    cid: Cid


class Source(StrEnum):
    """How bytes reached the hub."""

    ORIGIN = "origin"
    PUSH = "push"
    BITSWAP = "bitswap"
    IMPORT = "import"


class Reason(StrEnum):
    """Why a want is not pinned."""

    NOT_AT_ORIGIN = "NOT_AT_ORIGIN"
    """The owner's node answered and does not have the bytes, or none of its peers came up."""
    HASH_MISMATCH = "HASH_MISMATCH"
    TOO_LARGE = "TOO_LARGE"
    ORIGIN_UNREACHABLE = "ORIGIN_UNREACHABLE"
    UNKNOWN_ORIGIN = "UNKNOWN_ORIGIN"
    """No address was enrolled for the camera."""
    CID_CODEC = "CID_CODEC"
    """A camera's frame is one raw block; this is a tree."""
    BAD_TREE = "BAD_TREE"
    ERASED = "ERASED"
    HUB_REFUSED = "HUB_REFUSED"
    """The hub's Kubo answered that it cannot store or pin this block; its words are told."""
    HUB_UNAVAILABLE = "HUB_UNAVAILABLE"
    """The hub's own Kubo or database does not answer; not counted against the pin."""
    HUB_FULL = "HUB_FULL"
    """The hub's disk or quota is full; not counted against the pin."""
    NO_LONGER_WANTED = "NO_LONGER_WANTED"
    """The last pin was deleted while its bytes were on the way."""


class NotKept(Exception):
    """An attempt at a want came to nothing; `retryable` says whether another one may succeed.

    `tried` says whether the owner was asked at all; if not, the attempt is not counted.
    """

    def __init__(
        self, reason: Reason, details: str, *, retryable: bool = False, tried: bool = True
    ) -> None:
        # An origin's own words are in it: whatever they are, they can be stored and shown.
        self.details = details[:_MAX_DETAILS_LENGTH].replace("\0", "\ufffd")
        super().__init__(f"{reason}: {self.details}")
        self.reason = reason
        self.retryable = retryable
        self.tried = tried


@dataclass(frozen=True)
class Outcome:
    """How a want stands after an attempt; settled where `status` is pinned or failed."""

    status: Status
    reason: Reason | None = None
    details: str | None = None
    retryable: bool | None = None

    @property
    def is_settled(self) -> bool:
        """Whether no further attempt follows."""
        return self.status in (Status.PINNED, Status.FAILED)


PINNED = Outcome(Status.PINNED)


@dataclass(frozen=True)
class Arrival:
    """Verified bytes that came from their owner, on their way into the hub.

    `data` is None where the blocks are in the hub's store already, unpinned (a tree that came
    over bitswap). `sha256` is of the whole file, for pushed trees. `expires_after_s` is how long
    they are kept where no pin claims them; None: only for a pin.
    """

    want: Want
    source: Source
    size_bytes: int
    data: bytes | None
    sha256: bytes | None = None
    expires_after_s: float | None = None
