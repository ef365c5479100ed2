"""The hub's answer to a camera: what was kept, what was not, and what it still wants."""

from uuid import UUID

from pydantic import Field

from pinhole.contract.cid import Cid
from pinhole.contract.event import Seq
from pinhole.contract.message import Instant, Reply

MAX_WANTED = 500


class Rejected(Reply):
    """One event of a batch that was not kept; its sender keeps it visible and never resends it."""

    index: int = Field(ge=0)
    reason: str
    details: str


class Wanted(Reply):
    """Bytes that the hub could not get: the camera keeps them and pushes them."""

    stream: UUID | None = None
    seq: Seq | None = None
    cid: Cid


class Receipt(Reply):
    """The answer to a webhook: 202 where at least one event was good, 422 where none was."""

    accepted: int = Field(ge=0)
    duplicates: int = Field(default=0, ge=0)
    rejected: list[Rejected] = []
    pinned_through: dict[UUID, int] = {}
    """Per stream of this camera: every event up to this seq is settled, save those in `wanted`."""
    wanted: list[Wanted] = Field(default=[], max_length=MAX_WANTED)
    erase: list[Cid] = []
    hub_time: Instant
