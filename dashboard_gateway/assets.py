"""Style sheets, scripts and icons: read once, served from memory under the hash of them all.

The hash is part of the address, so that a browser keeps them for ever and never a stale one.
"""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from aiohttp import web

from pinhole.contract.errors import NotFound

_FOREVER: Final = "public, max-age=31536000, immutable"
_SERVED: Final = frozenset({".css", ".js", ".svg"})
_GZIP_FROM_BYTES: Final = 1024


@dataclass(frozen=True)
class Asset:
    """One file as it is sent."""

    content_type: str
    body: bytes
    gzipped: bytes | None


@dataclass(frozen=True)
class Assets:
    """All files by their path below static/, and the hash of them all."""

    version: str
    by_path: dict[str, Asset]

    def url(self, path: str) -> str:
        """Return the address of a file; raises KeyError where there is none."""
        self.by_path[path]
        return f"/static/{self.version}/{path}"


ASSETS = web.AppKey("assets", Assets)


def load() -> Assets:
    """Read every served file of the package. Blocking."""
    by_path: dict[str, Asset] = {}
    for path, body in sorted(_walk(files("dashboard_gateway") / "static", "")):
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        content_type = f"{kind}; charset=utf-8"
        gzipped = gzip.compress(body, mtime=0) if len(body) >= _GZIP_FROM_BYTES else None
        by_path[path] = Asset(content_type, body, gzipped)
    digest = hashlib.sha256()
    for path, asset in by_path.items():
        digest.update(path.encode() + b"\0" + hashlib.sha256(asset.body).digest())
    return Assets(digest.hexdigest()[:12], by_path)


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _walk(entry, f"{prefix}{entry.name}/")
        elif any(entry.name.endswith(ending) for ending in _SERVED):
            found.append((prefix + entry.name, entry.read_bytes()))
    return found


async def serve(request: web.Request) -> web.Response:
    """Answer `GET /static/{version}/{path}`; an old version's address gives today's file."""
    assets = request.app[ASSETS]
    asset = assets.by_path.get(request.match_info["path"])
    if asset is None:
        raise NotFound("there is no such file")
    is_current = request.match_info["version"] == assets.version
    headers = {
        "Content-Type": asset.content_type,
        "Cache-Control": _FOREVER if is_current else "no-store",
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept-Encoding",
    }
    body = asset.body
    if asset.gzipped is not None and "gzip" in request.headers.get("Accept-Encoding", ""):
        body, headers["Content-Encoding"] = asset.gzipped, "gzip"
    return web.Response(body=body, headers=headers)
