"""What the camera tells people and machines on loopback: `/healthz`, `/status`, `/metrics`.

`/healthz` is 503 where frames are not being recorded: the source is silent, the node or the spool
does not work, a thread stands still. A hub that is away is no failure of the camera: it records on
and says so. Every part turns red within 30 s of its last sign of life.
"""

import json
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from camera_uploader.workers import Part
from pinhole.contract.errors import PinholeError

STALLS_AFTER_S: Final = 30.0
_REQUEST_TIMEOUT_S: Final = 5.0

Report = Callable[[], Mapping[str, Any]]


class HealthUnavailable(PinholeError):
    """The port of the health server cannot be opened."""

    reason = "HEALTH_PORT"


class HealthServer:
    """Serves `parts` and `report` over HTTP until it is closed."""

    def __init__(
        self, host: str, port: int, parts: Callable[[], Mapping[str, Part]], report: Report
    ) -> None:
        handler = _handler(parts, report)
        try:
            self._server = ThreadingHTTPServer((host, port), handler)
        except OSError as error:
            raise HealthUnavailable(
                f"{host}:{port} cannot be opened for /healthz: {error.strerror}"
            ) from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="health", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def health(parts: Mapping[str, Part]) -> tuple[HTTPStatus, dict[str, Any]]:
    """Return the answer of `/healthz`: the same body as every other service's."""
    failing = any(part.problem is not None for part in parts.values())
    body = {
        "status": "failing" if failing else "ok",
        "parts": {name: part.state for name, part in parts.items()},
    }
    return HTTPStatus.SERVICE_UNAVAILABLE if failing else HTTPStatus.OK, body


def _handler(
    parts: Callable[[], Mapping[str, Part]], report: Report
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers GET."""

        timeout = _REQUEST_TIMEOUT_S
        server_version = "pinhole-camera"
        sys_version = ""

        def do_GET(self) -> None:
            """Answer one of the three paths."""
            match self.path:
                case "/healthz":
                    self._answer_json(*health(parts()))
                case "/status":
                    self._answer_json(HTTPStatus.OK, report())
                case "/metrics":
                    report()  # sets the gauges
                    self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(REGISTRY))
                case _:
                    error = {"reason": "NOT_FOUND", "details": "/healthz, /status or /metrics"}
                    self._answer_json(HTTPStatus.NOT_FOUND, {"error": error})

        def log_message(self, *arguments: object) -> None:
            """Say nothing: a request a second is no news."""

        def _answer_json(self, status: HTTPStatus, body: Mapping[str, Any]) -> None:
            text = json.dumps(body, indent=2, default=str)
            self._answer(status, "application/json", text.encode())

        def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

    return Handler
