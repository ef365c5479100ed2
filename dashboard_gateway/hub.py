"""The hub's trustless gateway, read as fast as Kubo sends: one block a request, verified.

`pinhole.runtime.kubo.TrustlessGateway` does the same through aiohttp's client, which copies every
byte three times: measured 280 µs of processor for 15 KB and 850 µs for 200 KB, against 145 and 510
here, hashing included. A cold picture has to cost about what it costs Kubo, so this speaks the
little of HTTP/1.1 that a private, known gateway needs: GET, keep-alive, Content-Length; the body is
received straight into the buffer it is hashed in. Anything else that comes closes the connection.
Source: RFC 9112; the Trustless Gateway specification.
"""

import asyncio
import re
from collections import deque
from typing import Final, cast
from urllib.parse import urlsplit

from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid
from pinhole.runtime import hashing
from pinhole.runtime.kubo import (
    BlockMismatch,
    BlockMissing,
    BlockTooLarge,
    KuboError,
    KuboTimeout,
)

_HEAD_BYTES: Final = 16_384
_STATUS: Final = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d{1,12})\r\n", re.IGNORECASE)
_CLOSES: Final = re.compile(rb"\r\n(?:connection: *close|transfer-encoding:)", re.IGNORECASE)
_OK: Final = 200
_ABSENT: Final = (404, 410)
_NOT_FOUND_WORDS: Final = (b"not found", b"could not find")


class _Broken(Exception):
    """The connection ended, or what came is not the HTTP that is expected here."""


class _Answer:
    """One answer while it arrives."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.status = 0
        self.body = bytearray()
        self.received = 0
        self.closes = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class _Connection(asyncio.BufferedProtocol):
    """One kept-alive connection: at most one request at a time."""

    def __init__(self) -> None:
        self._head = bytearray(_HEAD_BYTES)
        self._filled = 0
        self._answer: _Answer | None = None
        self._transport: asyncio.Transport | None = None

    @property
    def is_open(self) -> bool:
        """Whether another request may be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport. Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has another base

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request under way. Called by the loop."""
        self._transport = None
        self._fail(f"the connection ended{f': {exc}' if exc else ''}")

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go: the head, then the body itself. Called by the loop."""
        del sizehint
        answer = self._answer
        if answer is not None and answer.status:
            return memoryview(answer.body)[answer.received :]
        return memoryview(self._head)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take `nbytes` that were put into the buffer. Called by the loop."""
        answer = self._answer
        if answer is None:
            self.close()  # nothing was asked for
            return
        if answer.status:
            answer.received += nbytes
        else:
            self._filled += nbytes
            self._read_head(answer)
        if answer.status and answer.received == len(answer.body) and not answer.done.done():
            self._answer = None
            answer.done.set_result(None)

    def _read_head(self, answer: _Answer) -> None:
        end = self._head.find(b"\r\n\r\n", 0, self._filled)
        if end < 0:
            if self._filled == _HEAD_BYTES:
                self._fail(f"the head is longer than {_HEAD_BYTES} bytes")
            return
        head = bytes(self._head[: end + 2])
        status, length = _STATUS.match(head), _LENGTH.search(head)
        surplus = self._head[end + 4 : self._filled]
        self._filled = 0
        if status is None or length is None or int(length[1]) < len(surplus):
            self._fail(f"unexpected answer: {head[:60]!r}")
            return
        size_bytes = int(length[1])
        if size_bytes > answer.limit_bytes:
            error = f"{size_bytes} bytes were announced, the limit is {answer.limit_bytes}"
            self._end(BlockTooLarge(error))
            return
        answer.closes = _CLOSES.search(head) is not None
        answer.body = bytearray(size_bytes)
        answer.body[: len(surplus)] = surplus
        answer.received = len(surplus)
        answer.status = int(status[1])

    async def ask(self, request: bytes, limit_bytes: int) -> _Answer:
        """Send a request and return its whole answer; cancelled, the connection is closed.

        Raises:
            _Broken: there is no whole answer.
            BlockTooLarge: more than `limit_bytes` were announced.
        """
        if self._transport is None:
            raise _Broken("the connection ended before it was used")
        answer = self._answer = _Answer(limit_bytes)
        self._transport.write(request)
        try:
            await answer.done
        except BaseException:
            self.close()
            raise
        if answer.closes:
            self.close()
        return answer

    def close(self) -> None:
        """Close the connection; it is not used again."""
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, sentence: str) -> None:
        self._end(_Broken(sentence))

    def _end(self, error: Exception) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done.done():
            answer.done.set_exception(error)
        self.close()


class HubGateway:
    """Blocks from the hub, each verified against its CID."""

    def __init__(self, url: str, *, connections: int) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._request = f"{parts.path.rstrip('/')}/ipfs/{{}}?format=raw HTTP/1.1\r\n"
        self._request = f"GET {self._request}Host: {parts.netloc}\r\n\r\n"
        self._free = asyncio.Semaphore(connections)
        self._idle: deque[_Connection] = deque()

    async def fetch(
        self, cid: Cid, *, timeout_s: float, limit_bytes: int = MAX_BLOCK_BYTES
    ) -> bytearray:
        """Return the bytes of one block; nobody else has the buffer.

        Raises:
            BlockMissing: the hub does not have it.
            BlockTooLarge: more than `limit_bytes`; nothing of them was read.
            BlockMismatch: other bytes came.
            KuboTimeout, KuboError: no whole answer; it may work later.
        """
        try:
            async with asyncio.timeout(timeout_s), self._free:
                answer = await self._ask(self._request.format(cid).encode(), limit_bytes)
        except TimeoutError as error:
            raise KuboTimeout(f"the hub sent no whole answer in {timeout_s:g} s") from error
        except (OSError, _Broken) as error:
            raise KuboError(f"the hub's gateway does not answer: {error}") from error
        if answer.status != _OK:
            raise _refusal(cid, answer)
        if not await hashing.matches(cid, answer.body):
            raise BlockMismatch(f"{len(answer.body)} bytes came that do not hash to {cid}")
        return answer.body

    def close(self) -> None:
        """Close the connections that are not in use; the others close after their answer."""
        while self._idle:
            self._idle.pop().close()

    async def _ask(self, request: bytes, limit_bytes: int) -> _Answer:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                try:
                    return await self._ask_on(connection, request, limit_bytes)
                except _Broken:
                    # Kubo may close an idle connection just as it is used: a GET is repeated once.
                    break
        return await self._ask_on(await self._connect(), request, limit_bytes)

    async def _ask_on(self, connection: _Connection, request: bytes, limit: int) -> _Answer:
        answer = await connection.ask(request, limit)
        if connection.is_open:
            self._idle.append(connection)
        return answer

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, self._host, self._port)
        return connection


def _refusal(cid: Cid, answer: _Answer) -> BlockMissing | KuboError:
    if answer.status in _ABSENT or any(word in answer.body for word in _NOT_FOUND_WORDS):
        return BlockMissing(f"the hub does not hold {cid}")
    words = bytes(answer.body[:200]).decode(errors="replace").strip()
    return KuboError(f"the hub's gateway answered {answer.status}: {words}")
