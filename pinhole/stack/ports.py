"""TCP ports on loopback: which are free, and free ones for nodes that may listen anywhere."""

import contextlib
import random
import socket
from collections.abc import Iterator
from pathlib import Path

LOOPBACK = "127.0.0.1"
# Linux hands out 32768..60999 to outgoing connections (ip_local_port_range): a port chosen there
# can be taken between the choice and the listen, so ours come from below that range.
_CHOSEN_FROM = range(20_000, 32_768)
_ATTEMPTS = 200
_LISTEN = "0A"  # TCP_LISTEN in /proc/net/tcp


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Return whether a server could listen on `host:port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do it: a port whose last connections are in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
        return True


def unused_port(host: str = LOOPBACK) -> int:
    """Return a port that nobody listens on, outside the range of outgoing connections.

    Raises:
        OSError: None of 200 random candidates was free.

    """
    for port in random.sample(_CHOSEN_FROM, _ATTEMPTS):
        if is_free(port, host):
            return port
    message = f"none of {_ATTEMPTS} ports tried in {_CHOSEN_FROM} is free on {host}"
    raise OSError(message)


def holder(port: int) -> str | None:
    """Return who listens on a TCP port, as "process 123 (nginx)", where Linux lets us see it."""
    pid = holder_pid(port)
    if pid is None:
        return None
    name = (Path("/proc") / str(pid) / "comm").read_text().strip()
    return f"process {pid} ({name})"


def holder_pid(port: int) -> int | None:
    """Return the process that listens on a TCP port, where Linux lets us see it."""
    inodes = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if table.exists():
            inodes |= set(_listening(table.read_text(), port))
    for process in Path("/proc").glob("[0-9]*"):
        if _sockets_of(process) & inodes:
            return int(process.name)
    return None


def _listening(table: str, port: int) -> Iterator[str]:
    """Yield the socket inodes of a /proc/net/tcp table that listen on `port`."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == _LISTEN:
            yield fields[9]


def _sockets_of(process: Path) -> set[str]:
    """Return the socket inodes that a process has open, none where it is not ours to see."""
    sockets = set()
    with contextlib.suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                target = str(descriptor.readlink())
                if target.startswith("socket:["):
                    sockets.add(target.removeprefix("socket:[").removesuffix("]"))
    return sockets
