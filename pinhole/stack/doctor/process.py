"""The daemon's process, where it runs on this machine and may be looked at: what it was told.

What is told on the command line or in the environment stands in no configuration.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from pinhole.stack.ports import holder_pid

_PROC = Path("/proc")


@dataclass(frozen=True)
class DaemonProcess:
    """A running `ipfs daemon`."""

    pid: int
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    started_at_s: float
    """Seconds since 1970."""

    @property
    def collects_garbage(self) -> bool:
        """Whether it was started with `--enable-gc`."""
        return any(word.startswith("--enable-gc") for word in self.arguments) and (
            "--enable-gc=false" not in self.arguments
        )


def find_daemon(rpc_url: str, repo: Path | None) -> DaemonProcess | None:
    """Return who listens on the RPC's port of this machine, None where that cannot be seen."""
    parts = urlsplit(rpc_url)
    if repo is None and not _is_here(parts.hostname or ""):
        return None
    pid = holder_pid(parts.port or 0)
    if pid is None:
        return None
    try:
        process = _daemon(pid)
    except OSError:
        return None
    # Where the RPC is another machine's, somebody else may have the same port here.
    return process if "daemon" in process.arguments else None


def _daemon(pid: int) -> DaemonProcess:
    folder = _PROC / str(pid)
    arguments = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
    pairs = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
    environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    ticks = int((folder / "stat").read_text().rpartition(")")[2].split()[19])
    boot = next(
        int(line.split()[1])
        for line in (_PROC / "stat").read_text().splitlines()
        if line.startswith("btime")
    )
    started_at_s = boot + ticks / os.sysconf("SC_CLK_TCK")
    return DaemonProcess(pid, tuple(filter(None, arguments)), environment, started_at_s)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
