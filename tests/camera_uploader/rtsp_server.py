"""An RTSP server of motion JPEG for tests, which can also do what real ones do wrong.

It speaks enough of RFC 2326 for FFmpeg (over one TCP connection) and sends pictures as RFC 2435
says. The same tests run against GStreamer's server where that is installed (gstreamer_rtsp.py).
"""

import base64
import itertools
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

_PAYLOAD_BYTES = 1400
_CLOCK_HZ = 90_000
_JPEG_PAYLOAD_TYPE = 26


@dataclass
class Stream:
    """What the server sends, and how it misbehaves."""

    pictures: Sequence[bytes]
    fps: float = 25.0
    password: str | None = None
    hangs_after: int | None = None
    """After so many pictures it says nothing more and keeps the connection."""
    ends_after: int | None = None
    """After so many pictures it closes the connection in the middle of one."""
    viewers: int = 0
    refused: int = 0
    mutex: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class _Jpeg:
    width_px: int
    height_px: int
    tables: bytes
    scan: bytes

    @classmethod
    def parse(cls, data: bytes) -> "_Jpeg":
        width_px = height_px = 0
        tables, position = b"", 2
        while True:
            marker, length = struct.unpack_from(">xBH", data, position)
            segment = data[position + 4 : position + 2 + length]
            position += 2 + length
            if marker == 0xDB:
                while segment:
                    tables, segment = tables + segment[1:65], segment[65:]
            elif marker == 0xC0:
                height_px, width_px = struct.unpack_from(">HH", segment, 1)
                assert segment[7] == 0x22, "RFC 2435 type 1 is 4:2:0"
            elif marker == 0xDA:
                return cls(width_px, height_px, tables, data[position:-2])

    def packets(self) -> Iterator[tuple[bool, bytes]]:
        """Yield (is the last, payload)."""
        offset = 0
        while offset < len(self.scan):
            part = self.scan[offset : offset + _PAYLOAD_BYTES]
            head = struct.pack(">I", offset) + bytes(
                (1, 255, self.width_px // 8, self.height_px // 8)
            )
            if offset == 0:
                head += struct.pack(">BBH", 0, 0, len(self.tables)) + self.tables
            offset += len(part)
            yield offset >= len(self.scan), head + part


class _Handler(socketserver.StreamRequestHandler):
    stream: Stream

    def handle(self) -> None:
        try:
            while (request := self._request()) is not None:
                method, headers = request
                if not self._is_allowed(headers):
                    self._reply(headers, "401 Unauthorized", 'WWW-Authenticate: Basic realm="x"')
                    self.stream.refused += 1
                elif method == "PLAY":
                    self._reply(headers, "200 OK", "Session: 1")
                    self._play()
                    return
                else:
                    self._answer(method, headers)
        except OSError:
            return

    def _request(self) -> tuple[str, dict[str, str]] | None:
        first = self.rfile.readline().decode().split()
        if not first:
            return None
        headers = {}
        while line := self.rfile.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return first[0], headers

    def _is_allowed(self, headers: dict[str, str]) -> bool:
        if self.stream.password is None:
            return True
        expected = base64.b64encode(f"admin:{self.stream.password}".encode()).decode()
        return headers.get("authorization") == f"Basic {expected}"

    def _answer(self, method: str, headers: dict[str, str]) -> None:
        match method:
            case "OPTIONS":
                self._reply(headers, "200 OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
            case "DESCRIBE":
                sdp = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\n"
                sdp += f"a=framerate:{self.stream.fps}\r\na=control:track\r\n"
                self._reply(headers, "200 OK", "Content-Type: application/sdp", body=sdp)
            case "SETUP":
                transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
                self._reply(headers, "200 OK", transport, "Session: 1")
            case _:
                self._reply(headers, "200 OK")

    def _reply(self, headers: dict[str, str], status: str, *lines: str, body: str = "") -> None:
        length = (f"Content-Length: {len(body)}",) if body else ()
        head = (f"RTSP/1.0 {status}", f"CSeq: {headers.get('cseq', '0')}", *lines, *length)
        self.wfile.write(("\r\n".join(head) + "\r\n\r\n" + body).encode())

    def _play(self) -> None:
        stream, sequence = self.stream, itertools.count()
        with stream.mutex:
            stream.viewers += 1
        began_s = time.monotonic()
        for number, data in enumerate(itertools.cycle(stream.pictures)):
            if stream.hangs_after is not None and number >= stream.hangs_after:
                self.rfile.read()  # until the viewer gives up
                return
            time.sleep(max(0.0, began_s + number / stream.fps - time.monotonic()))
            stamp = int(number / stream.fps * _CLOCK_HZ)
            for last, payload in _Jpeg.parse(data).packets():
                marker = (0x80 if last else 0) | _JPEG_PAYLOAD_TYPE
                rtp = struct.pack(">BBHII", 0x80, marker, next(sequence) & 0xFFFF, stamp, 7)
                packet = rtp + payload
                self.wfile.write(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
                if stream.ends_after is not None and number >= stream.ends_after:
                    return


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address


@contextmanager
def serving(stream: Stream) -> Iterator[str]:
    """Serve a stream on loopback and give its host and port."""
    with _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"stream": stream})) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
