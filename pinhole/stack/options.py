"""What the user of `pinhole up` chose."""

from dataclasses import dataclass

from pinhole.stack.sources import Source


@dataclass(frozen=True, kw_only=True)
class Options:
    """The cameras, the page's port, and the cameras' rate (None: their own default)."""

    sources: tuple[Source, ...]
    page_port: int
    fps: float | None
