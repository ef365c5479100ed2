"""Where and under which circumstances the figures were taken."""

import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

from pinhole.stack.kubo_binary import find_binary, version_of


@dataclass(frozen=True)
class Machine:
    """What a reader needs to compare a figure with one of another machine."""

    processor: str
    cores: int
    memory_gb: float
    kernel: str
    python: str
    kubo: str
    load_before: float
    """Load average of the last minute when the run began: above 0.5 others were at work."""

    @classmethod
    def here(cls) -> "Machine":
        """Return this machine as it is now."""
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return cls(
            processor=_processor(),
            cores=len(os.sched_getaffinity(0)),
            memory_gb=round(pages / 1e9, 1),
            kernel=platform.release(),
            python=platform.python_version(),
            kubo=_kubo(),
            load_before=round(os.getloadavg()[0], 2),
        )

    def as_json(self) -> dict[str, str | float | int]:
        """Return the fields by name."""
        return asdict(self)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _kubo() -> str:
    binary = find_binary()
    return version_of(binary) if binary is not None else "none"
