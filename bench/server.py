"""A server under load: where it listens, and what its process used of the processors."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import load
from bench.figure import spread
from bench.load import Plan, Result
from pinhole.stack.ports import LOOPBACK

_UTIME, _STIME = 11, 12  # fields of /proc/PID/stat behind the name, man 5 proc


@dataclass(frozen=True)
class Server:
    """A process that serves HTTP on loopback."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{LOOPBACK}:{self.port}"

    def play(self, scripts: Sequence[Sequence[bytes]], seconds: float, **rest: object) -> "Played":
        """Load it with `scripts`; `rest` are further fields of `Plan`."""
        before_s = self._cpu_s()
        result = load.run(
            Plan(
                host=LOOPBACK,
                port=self.port,
                scripts=scripts,
                seconds=seconds,
                **rest,  # type: ignore[arg-type]
            )
        )
        return Played(result, self._cpu_s() - before_s)

    def _cpu_s(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
        ticks = [int(field) for field in fields.split()[_UTIME : _STIME + 1]]
        return sum(ticks) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Played:
    """What came back, and the seconds of processor that the server's process spent on it."""

    result: Result
    cpu_s: float

    def details(self, each: int = 1) -> dict[str, float]:
        """Return spread, failures and the processor's time for each of `each` in a request."""
        answered = max(1, self.result.answered)
        return {
            **spread(self.result.times_s),
            "failures": self.result.failures,
            "cpu_us": round(self.cpu_s / answered / each * 1e6, 1),
        }
