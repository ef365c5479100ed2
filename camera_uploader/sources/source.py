"""What every source promises, and what it may ask of the spool."""

import threading
from collections.abc import Iterator
from typing import Protocol

from camera_uploader.frame import Mark, Refusal, Shot
from pinhole.contract.errors import Unavailable


class SourceLost(Unavailable):
    """The source gave no more pictures (unplugged, unreachable, silent); it is opened anew."""

    reason = "SOURCE_LOST"


class Memory(Protocol):
    """What was taken and refused before: `camera_uploader.spool.items.Items`."""

    def taken_version(self, source: str, item: bytes) -> str | None:
        """Return which version of an item became a frame, if any did."""

    def refused_version(self, source: str, item: bytes) -> str | None:
        """Return which version of an item was refused, if any was."""

    def forget(self, mark: Mark) -> None:
        """Forget an item that is no longer where its source would find it."""


class Unmarked:
    """A source whose pictures leave nothing behind that would have to be put away."""

    def kept(self, mark: Mark) -> None:
        """Do nothing."""

    def refused(self, mark: Mark) -> None:
        """Do nothing."""


class Source(Protocol):
    """Where pictures come from. One thread iterates; `kept` may come from another."""

    name: str
    """What people and logs may see: no credentials."""

    live: bool
    """Whether a picture that is not taken now is gone: such a source is never made to wait."""

    def shots(self, stopping: threading.Event) -> Iterator[Shot | Refusal | None]:
        """Yield pictures as they are made, and None at least every second without one.

        It ends when `stopping` is set, or when the source has no more pictures by its nature.

        Raises:
            SourceLost: it will be asked for a new iterator after a pause.
        """

    def kept(self, mark: Mark) -> None:
        """Hear that the item's frame is stored, pinned and spooled."""

    def refused(self, mark: Mark) -> None:
        """Hear that the item was refused and is listed with its reason."""
