"""Reading the parts' logs."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pinhole.stack.failure import StackFailure
from pinhole.stack.layout import Layout

_POLL_S = 0.2
# The last lines are looked for in this much of a log's end.
_TAIL_BYTES = 256 * 1024


def chosen(layout: Layout, names: Sequence[str]) -> list[Path]:
    """Return the logs of the parts called `names`, or of all parts.

    Raises:
        StackFailure: There is no such part; the sentence lists those there are.

    """
    logs = {log.stem: log for log in layout.logs()}
    unknown = [name for name in names if name not in logs]
    if unknown:
        raise StackFailure(f"no log of {', '.join(unknown)}; there are {', '.join(logs) or 'none'}")
    return [logs[name] for name in names or logs]


def last_lines(logs: Sequence[Path], count: int) -> Iterator[str]:
    """Yield the last `count` lines of each log, with the part's name before each."""
    for log in logs:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
        for line in lines[-count:] if count > 0 else ():
            yield _named(log, line)


def following(logs: Sequence[Path]) -> Iterator[str]:
    """Return what is written to the logs after this call, line by line, without end."""
    return _follow({log: log.stat().st_size for log in logs})


def _follow(ends: dict[Path, int]) -> Iterator[str]:
    rests = dict.fromkeys(ends, b"")
    while True:
        for log, end in tuple(ends.items()):
            with log.open("rb") as file:
                file.seek(end)
                added = file.read()
            ends[log] = end + len(added)
            *lines, rests[log] = (rests[log] + added).split(b"\n")
            yield from (_named(log, line.decode(errors="replace")) for line in lines)
        time.sleep(_POLL_S)


def _named(log: Path, line: str) -> str:
    return f"{log.stem:<14} {line}\n"
