"""`python -m bench.listed PORT COUNT`: lists pins and blocks as Kubo streams them, line for line.

A million real pins take Kubo a quarter of an hour to make. This stands for its two lists only; that
they are read rightly is tested with the real one (tests/pinning/test_reconcile.py).
"""

import hashlib
import sys

from aiohttp import web

from pinhole.contract.cid import Cid

_CHUNK = 65_536


def digest(number: int) -> bytes:
    """Return the digest of block `number`; PostgreSQL makes the same in `bench.reconcile`."""
    return hashlib.sha256(str(number).encode()).digest()


def main(port: int, count: int) -> None:
    """Serve until killed."""
    cids = [str(Cid(digest(number))) for number in range(1, count + 1)]
    pins = "".join(f'{{"Cid":"{cid}","Type":"direct"}}\n' for cid in cids).encode()
    refs = "".join(f'{{"Ref":"{cid}","Err":""}}\n' for cid in cids).encode()

    async def stream(request: web.Request, body: bytes) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for start in range(0, len(body), _CHUNK):
            await response.write(body[start : start + _CHUNK])
        return response

    async def list_pins(request: web.Request) -> web.StreamResponse:
        return await stream(request, pins if request.query["type"] == "direct" else b"")

    async def list_refs(request: web.Request) -> web.StreamResponse:
        return await stream(request, refs)

    async def identity(request: web.Request) -> web.Response:
        del request
        return web.json_response({"ID": "stand-in", "Addresses": []})

    async def stat(request: web.Request) -> web.Response:
        del request
        return web.json_response({"RepoSize": 0, "StorageMax": 0})

    async def hello(request: web.Request) -> web.Response:
        del request
        return web.Response()

    app = web.Application()
    app.router.add_get("/", hello)
    app.router.add_post("/api/v0/pin/ls", list_pins)
    app.router.add_post("/api/v0/refs/local", list_refs)
    app.router.add_post("/api/v0/id", identity)
    app.router.add_post("/api/v0/repo/stat", stat)
    web.run_app(app, host="127.0.0.1", port=port, print=lambda *_: None)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
