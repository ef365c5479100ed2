"""Questions to a node's ports, as somebody outside would ask them."""

import http.client
import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from pinhole.contract.cid import Cid

TIMEOUT_S: Final = 5.0
_MAX_BODY_BYTES: Final = 2**22
# An identity CID, whose bytes (none) are in itself: every gateway has it.
# Source: Trustless Gateway specification, "block existence" probe.
EMPTY_BLOCK: Final = "bafkqaaa"
# The first thing a libp2p node says, unless a pre-shared key scrambles it.
# Source: multistream-select 1.0.
_MULTISTREAM: Final = b"\x13/multistream/1.0.0\n"


@dataclass(frozen=True)
class Answer:
    """The status and the body of an HTTP answer."""

    status: int
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace").strip()

    def json(self) -> Any:  # noqa: ANN401 - JSON
        """Return the body's JSON, {} where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return {}


def rpc(url: str, command: str, *, token: str | None = None) -> Answer:
    """Ask the RPC, with a credential or as anybody.

    Raises:
        OSError: it does not answer.
    """
    return _ask(url, "POST", f"/api/v0/{command}", token=token)


def rpc_lines(url: str, command: str, *, token: str | None, most: int) -> Iterator[bytes]:
    """Yield the lines of a streamed answer, at most `most`, none where it is refused.

    Raises:
        OSError, HTTPException: it does not answer.
    """
    with closing(_connection(url)) as connection:
        connection.request("POST", f"/api/v0/{command}", headers=_headers(token))
        answer = connection.getresponse()
        if answer.status != HTTPStatus.OK:
            raise OSError(f"status {answer.status}")
        for _ in range(most):
            line = answer.readline()
            if not line:
                break
            yield line


def deserializes(gateway_url: str) -> bool | None:
    """Whether the gateway answers a browser's question, which names no format."""
    try:
        answer = _ask(gateway_url, "GET", f"/ipfs/{EMPTY_BLOCK}")
    except OSError:
        return None
    return answer.status == HTTPStatus.OK


def fetches(gateway_url: str) -> bool | None:
    """Whether the gateway goes looking for a block that nobody has."""
    nowhere = Cid.of(os.urandom(32))
    try:
        answer = _ask(gateway_url, "GET", f"/ipfs/{nowhere}?format=raw")
    except TimeoutError:
        return True
    except OSError:
        return None
    # Whoever does not look says at once that it is not there.
    return answer.status == HTTPStatus.GATEWAY_TIMEOUT


def speaks_multistream(host: str, port: int) -> bool | None:
    """Whether a swarm port understands somebody who has no key; None where nobody listens.

    With a key the node takes the first 24 bytes for a nonce and waits for the rest.
    """
    try:
        with socket.create_connection((host, port), timeout=1) as connection:
            connection.settimeout(2)
            connection.sendall(_MULTISTREAM)
            return connection.recv(len(_MULTISTREAM)) == _MULTISTREAM
    except TimeoutError:
        return False
    except ConnectionResetError:
        return False
    except OSError:
        return None


def _ask(url: str, method: str, path: str, *, token: str | None = None) -> Answer:
    with closing(_connection(url)) as connection:
        try:
            connection.request(method, path, headers=_headers(token))
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(_MAX_BODY_BYTES))
        except http.client.HTTPException as error:
            raise OSError(f"{type(error).__name__}: {error}") from error


def _connection(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)


def _headers(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token is not None else {}
