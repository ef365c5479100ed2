"""The load generator's own process: `python -m bench.play PLAN` plays what `bench.load` wrote."""

import asyncio
import pickle
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import uvloop

from bench.load import Plan, Result

_HEAD_END = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
_CHUNKED = -1
_BUFFER_BYTES = 1 << 20
_GRACE_S = 20.0


@dataclass
class _Tally:
    begin: float
    end: float
    times_s: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    body_bytes: int = 0
    answered: int = 0
    first: float = 0.0
    last: float = 0.0

    def add(self, status: int, due: float, size_bytes: int) -> None:
        now = time.perf_counter()
        self.answered += 1
        if not self.begin <= now <= self.end:
            return
        self.times_s.append(now - due)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.body_bytes += size_bytes
        self.first = self.first or now
        self.last = now


class _Connection(asyncio.BufferedProtocol):
    """One keep-alive connection that plays its script."""

    def __init__(
        self, plan: Plan, script: Sequence[bytes], tally: _Tally, first_due: float
    ) -> None:
        self._script = script
        self._repeat = plan.repeat
        self._tally = tally
        self._next = 0
        self._interval_s = len(plan.scripts) / plan.rate if plan.rate else 0.0
        self._due = first_due
        self._head = bytearray()
        self._needed: int | None = None
        self._received = 0
        self._buffer = bytearray(_BUFFER_BYTES)
        self._status = 0
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio's by shape, not by descent.
        self._transport = cast("asyncio.Transport", transport)
        self._send_when_due()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self.done.done():
            # Whoever hangs up in the middle is a failure: status 0.
            self._tally.add(0, self._due, 0)
            self.done.set_result(False)

    def _send_when_due(self) -> None:
        if not self._interval_s:
            # Closed loop: due at once, but nobody before the common begin.
            self._due = max(self._due, time.perf_counter())
        wait_s = self._due - time.perf_counter()
        if wait_s <= 0:
            self._send()
        else:
            asyncio.get_running_loop().call_later(wait_s, self._send)

    def _send(self) -> None:
        if time.perf_counter() >= self._tally.end:
            self._finish(exhausted=False)
            return
        if self._next >= len(self._script):
            if not self._repeat:
                self._finish(exhausted=True)
                return
            self._next = 0
        request = self._script[self._next]
        self._next += 1
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(request)

    def _finish(self, *, exhausted: bool) -> None:
        if not self.done.done():
            self.done.set_result(exhausted)
        if self._transport is not None:
            self._transport.close()

    def get_buffer(self, sizehint: int) -> bytearray:
        del sizehint
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        # Bodies are counted, not kept: a picture has 200 KB.
        body_bytes = nbytes
        if self._needed is None:
            self._head += memoryview(self._buffer)[:nbytes]
            end = self._head.find(_HEAD_END)
            if end < 0:
                return
            self._read_head(bytes(self._head[:end]).lower())
            body_bytes = len(self._head) - end - len(_HEAD_END)
            self._head.clear()
        self._received += body_bytes
        if self._needed == _CHUNKED:
            complete = self._buffer[max(0, nbytes - len(_LAST_CHUNK)) : nbytes] == _LAST_CHUNK
        else:
            complete = self._needed is not None and self._received >= self._needed
        if complete:
            self._tally.add(self._status, self._due, self._received)
            self._needed, self._received = None, 0
            self._due += self._interval_s
            self._send_when_due()

    def _read_head(self, head: bytes) -> None:
        self._status = int(head[9:12])
        at = head.find(b"content-length:")
        self._needed = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else _CHUNKED


async def _play(plan: Plan) -> Result:
    loop = asyncio.get_running_loop()
    begin = time.perf_counter() + 0.05
    tally = _Tally(begin + plan.warm_up_share * plan.seconds, begin + plan.seconds)
    connections = []
    for number, script in enumerate(plan.scripts):
        due = begin + (number / plan.rate if plan.rate else 0.0)
        _, connection = await loop.create_connection(
            lambda script=script, due=due: _Connection(plan, script, tally, due),  # type: ignore[misc]
            plan.host,
            plan.port,
        )
        connections.append(connection)
    await asyncio.wait(
        [connection.done for connection in connections], timeout=plan.seconds + _GRACE_S
    )
    good = sum(tally.statuses.get(status, 0) for status in plan.expected)
    return Result(
        requests=good,
        seconds=max(tally.last - tally.begin, 1e-9),
        times_s=tally.times_s,
        failures=len(tally.times_s) - good,
        body_bytes=tally.body_bytes,
        exhausted=any(c.done.done() and c.done.result() for c in connections),
        statuses=tally.statuses,
        answered=tally.answered,
    )


def main(path: str) -> None:
    """Play the plan in `path`; write the result to standard output."""
    plan = pickle.loads(Path(path).read_bytes())  # noqa: S301 - our own process
    sys.stdout.buffer.write(pickle.dumps(uvloop.run(_play(plan))))


if __name__ == "__main__":
    main(sys.argv[1])
