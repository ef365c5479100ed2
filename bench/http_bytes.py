"""HTTP/1.1 requests as bytes, ready to be sent."""

from collections.abc import Mapping


def get(path: str, headers: Mapping[str, str] | None = None) -> bytes:
    """Return a GET request that keeps its connection."""
    return _request("GET", path, headers or {})


def post(path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """Return a POST request that keeps its connection."""
    return _request("POST", path, {**headers, "Content-Length": str(len(body))}) + body


def _request(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", "Accept: */*"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
