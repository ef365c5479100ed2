"""Kubo: the RPC calls that Pinhole uses, and the trustless gateway with every byte verified.

Source: Kubo's RPC API v0; the Trustless Gateway specification. Errors come as status 500 with JSON,
or, after a 200, in an `X-Stream-Error` trailer.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

import aiohttp

from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid, InvalidCid
from pinhole.contract.errors import DeadlineExceeded, NotFound, Refused, TooLarge, Unavailable
from pinhole.runtime import hashing

NOT_PINNED: Final = "not pinned"
_LONGEST_LINE_BYTES: Final = 65_536
_LINES_A_TURN: Final = 256
_NOT_FOUND_WORDS: Final = ("not found", "could not find")
TREE_SETTINGS: Final = {
    # Exactly kubo.md's import settings: the same bytes give the same root on every node.
    "cid-version": "1",
    "raw-leaves": "true",
    "chunker": f"size-{MAX_BLOCK_BYTES}",
    "hash": "sha2-256",
}
# 32 random characters a process: no picture holds them but by a chance of 2 to the 128.
_BOUNDARY: Final = secrets.token_hex(16)
_FORM_HEAD: Final = (
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n'
    "Content-Type: application/octet-stream\r\n\r\n"
).encode()
_FORM_BETWEEN: Final = b"\r\n"
_FORM_END: Final = f"--{_BOUNDARY}--\r\n".encode()


class KuboError(Unavailable):
    """Kubo answered with an error or not at all; its own message is in `details`."""

    reason = "KUBO_ERROR"


class KuboTimeout(DeadlineExceeded):
    """Kubo did not answer in time."""

    reason = "KUBO_TIMEOUT"


class BlockMissing(NotFound):
    """The node does not hold the block."""

    reason = "BLOCK_MISSING"


class BlockMismatch(Refused):
    """The bytes received are not those that the CID names."""

    reason = "HASH_MISMATCH"


class BlockTooLarge(TooLarge):
    """The block exceeds the limit; nothing beyond it was read."""


@dataclass(frozen=True)
class Identity:
    """A node's own name and where it listens."""

    peer_id: str
    addresses: tuple[str, ...]
    agent: str


async def _read_body(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    length = response.content_length
    if length is not None and length > limit_bytes:
        raise BlockTooLarge(f"{length} bytes were announced, the limit is {limit_bytes}")
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit_bytes:
            raise BlockTooLarge(f"more than {limit_bytes} bytes were sent, which is the limit")
    return bytes(body)


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield the lines of a list that may have millions; others have their turn in between.

    aiohttp's own lines cost twice as much (2.2 µs more each) and keep the event loop for a whole
    buffer of them: 21 ms at a time were measured, in which no frame is kept.
    """
    rest = b""
    async for piece in response.content.iter_any():
        *lines, rest = (rest + piece).split(b"\n")
        for number, line in enumerate(lines):
            if number % _LINES_A_TURN == 0:
                await asyncio.sleep(0)
            yield line
        if len(rest) > _LONGEST_LINE_BYTES:
            raise KuboError(f"a line of the list has more than {_LONGEST_LINE_BYTES} bytes")
    if rest:
        yield rest


class KuboRpc:
    """A node's RPC: the writer's side. Never give its URL to anything but its owner."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, *, token: str | None = None
    ) -> None:
        self._session = session
        self._url = url.rstrip("/") + "/api/v0/"
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def block_put(self, data: bytes, *, timeout_s: float = 10) -> Cid:
        """Store `data` as one raw block, unpinned, and return its CID."""
        (cid,) = await self.block_put_many([data], timeout_s=timeout_s)
        return cid

    async def block_put_many(self, blocks: Sequence[bytes], *, timeout_s: float = 10) -> list[Cid]:
        """Store raw blocks, unpinned, in one request; return their CIDs in order.

        Kubo stores one after the other. 32 blocks of 100 KB in one request took 0.20 ms of the
        caller's processor each, in a request each 0.55 ms. If it fails, some may be stored.
        """
        query = {"cid-codec": "raw", "mhtype": "sha2-256", "pin": "false"}
        request = self._request("block/put", query, timeout_s=timeout_s, files=blocks)
        async with request as response:
            lines = (await _read_body(response, 2**20)).splitlines()
        if len(lines) != len(blocks):
            raise KuboError(f"block/put answered for {len(lines)} of {len(blocks)} blocks")
        return [Cid.parse(json.loads(line)["Key"]) for line in lines]

    async def block_get(
        self,
        cid: Cid,
        *,
        offline: bool = False,
        timeout_s: float = 10,
        limit_bytes: int = MAX_BLOCK_BYTES,
    ) -> bytes:
        """Return a block, verified; unless `offline` it is fetched where the node lacks it.

        Raises:
            KuboTimeout: nobody had it within `timeout_s`.
            BlockMismatch: the node returned other bytes (a damaged datastore).
        """
        query = {"arg": str(cid), "offline": "true" if offline else "false"}
        async with self._request("block/get", query, timeout_s=timeout_s) as response:
            data = await _read_body(response, limit_bytes)
        return await _verified(cid, data)

    async def block_stat(self, cid: Cid, *, timeout_s: float = 5) -> int | None:
        """Return the block's size in bytes where this node itself holds it, else None."""
        try:
            answer = await self._call(
                "block/stat", {"arg": str(cid), "offline": "true"}, timeout_s=timeout_s
            )
        except KuboError as error:
            if any(word in error.details for word in _NOT_FOUND_WORDS):
                return None
            raise
        return int(answer["Size"])

    async def block_rm(self, cids: Sequence[Cid], *, timeout_s: float = 30) -> None:
        """Remove blocks; those already absent are no error. Pinned ones are: unpin first."""
        query = [("arg", str(cid)) for cid in cids] + [("force", "true")]
        async with self._request("block/rm", query, timeout_s=timeout_s) as response:
            text = (await _read_body(response, 2**24)).decode()
        for line in text.splitlines():
            removed = json.loads(line)
            if removed.get("Error"):
                raise KuboError(f"block/rm {removed.get('Hash')}: {removed['Error']}")

    async def pin_add(
        self,
        cids: Sequence[Cid],
        *,
        recursive: bool = False,
        offline: bool = False,
        timeout_s: float = 30,
    ) -> None:
        """Pin blocks, directly unless `recursive`. Source: kubo.md on why frames are direct.

        With `offline` a block that this node lacks is an error at once, not asked of the swarm.
        """
        query = [("arg", str(cid)) for cid in cids]
        query.append(("recursive", "true" if recursive else "false"))
        query.append(("offline", "true" if offline else "false"))
        await self._call("pin/add", query, timeout_s=timeout_s)

    async def pin_rm(
        self, cids: Sequence[Cid], *, recursive: bool = False, timeout_s: float = 30
    ) -> None:
        """Unpin blocks. Raises KuboError with "not pinned" where one was not."""
        query = [("arg", str(cid)) for cid in cids]
        query.append(("recursive", "true" if recursive else "false"))
        await self._call("pin/rm", query, timeout_s=timeout_s)

    async def pins(self, *, kind: str = "direct", timeout_s: float = 600) -> AsyncIterator[Cid]:
        """Yield every pin of a kind (direct, recursive), streamed: rarely, for reconciling."""
        async for text in self.pin_texts(kind=kind, timeout_s=timeout_s):
            yield Cid.parse(text)

    async def pin_texts(self, *, kind: str, timeout_s: float) -> AsyncIterator[str]:
        """Yield every pin of a kind as Kubo spells it, whatever its hash and codec are."""
        query = {"type": kind, "stream": "true"}
        async with self._request("pin/ls", query, timeout_s=timeout_s) as response:
            async for line in _lines(response):
                entry = json.loads(line)
                if "Cid" in entry:
                    yield entry["Cid"]

    async def is_pinned(self, cid: Cid, *, kind: str = "direct", timeout_s: float = 5) -> bool:
        """Whether this node has a pin of `kind` on `cid` itself."""
        try:
            await self._call("pin/ls", {"arg": str(cid), "type": kind}, timeout_s=timeout_s)
        except KuboError as error:
            if NOT_PINNED in error.details:
                return False
            raise
        return True

    async def add_tree(self, data: bytes, *, only_hash: bool = False, timeout_s: float = 60) -> Cid:
        """Store `data`, unpinned, as a UnixFS file of `TREE_SETTINGS` and return its root.

        With `only_hash` nothing is stored: the root is known before anything is locked by it.
        """
        query = {**TREE_SETTINGS, "pin": "false", "quieter": "true", "progress": "false"}
        query["only-hash"] = "true" if only_hash else "false"
        answer = await self._call("add", query, files=[data], timeout_s=timeout_s)
        return Cid.parse(answer["Hash"])

    async def swarm_connect(self, address: str, *, timeout_s: float = 5) -> None:
        """Connect to a peer, `/ip4/…/tcp/…/p2p/…`."""
        await self._call("swarm/connect", {"arg": address}, timeout_s=timeout_s)

    async def identity(self, *, timeout_s: float = 5) -> Identity:
        """Return the node's peer id and addresses."""
        answer = await self._call("id", {}, timeout_s=timeout_s)
        addresses = tuple(answer.get("Addresses") or ())
        return Identity(answer["ID"], addresses, answer.get("AgentVersion", ""))

    async def repo_stat(self, *, timeout_s: float = 30) -> dict[str, int]:
        """Return the sizes of the store: `RepoSize`, `StorageMax` (bytes)."""
        answer = await self._call("repo/stat", {"size-only": "true"}, timeout_s=timeout_s)
        return {name: int(answer[name]) for name in ("RepoSize", "StorageMax")}

    async def disk_free(self, *, timeout_s: float = 30) -> int:
        """Return the bytes that may still be written to the disk of the node's repository."""
        answer = await self._call("diag/sys", {}, timeout_s=timeout_s)
        disk = answer["diskinfo"]
        # 0.43 tells the free blocks, root's reserve among them, as `free_space` and those that
        # anybody may use as `total_space`; the smaller is right whichever way they are named.
        return min(int(disk["free_space"]), int(disk["total_space"]))

    async def blocks(self, *, timeout_s: float = 600) -> AsyncIterator[str]:
        """Yield the CID of every block in this node's store, as Kubo spells it: always as raw."""
        async with self._request("refs/local", {}, timeout_s=timeout_s) as response:
            async for line in _lines(response):
                entry = json.loads(line)
                if entry.get("Err"):
                    raise KuboError(f"refs/local: {entry['Err']}")
                yield entry["Ref"]

    async def _call(
        self,
        path: str,
        query: dict[str, str] | Iterable[tuple[str, str]],
        *,
        timeout_s: float,
        files: Sequence[bytes] = (),
    ) -> Any:  # noqa: ANN401 - Kubo's JSON
        async with self._request(path, query, timeout_s=timeout_s, files=files) as response:
            body = await _read_body(response, 2**24)
        try:
            return json.loads(body) if body.strip() else {}
        except json.JSONDecodeError:
            # Several objects, one a line (progress): the last is the result.
            return json.loads(body.splitlines()[-1])

    def _request(
        self,
        path: str,
        query: dict[str, str] | Iterable[tuple[str, str]],
        *,
        timeout_s: float,
        files: Sequence[bytes] = (),
    ) -> "_Call":
        params = list(query.items()) if isinstance(query, dict) else list(query)
        form = _form_headers(files) if files else {}
        pending = self._session.post(
            self._url + path,
            params=params,
            data=_form(files) if files else None,
            headers={**self._headers, **form},
            timeout=aiohttp.ClientTimeout(total=timeout_s),
        )
        return _Call(path, pending)


def _form_headers(files: Sequence[bytes]) -> dict[str, str]:
    around_bytes = len(_FORM_HEAD) + len(_FORM_BETWEEN)
    length = sum(around_bytes + len(file) for file in files) + len(_FORM_END)
    return {
        "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
        "Content-Length": str(length),
    }


async def _form(files: Sequence[bytes]) -> AsyncIterator[bytes]:
    """Yield a form of files. aiohttp's own costs 1.4 ms of processor for 200 KB, this 0.9."""
    for file in files:
        yield _FORM_HEAD
        yield file
        yield _FORM_BETWEEN
    yield _FORM_END


class _Call:
    """A request to the RPC whose errors are Kubo's words."""

    def __init__(self, path: str, pending: Any) -> None:  # noqa: ANN401 - aiohttp's private type
        self._path = path
        self._pending = pending

    async def __aenter__(self) -> aiohttp.ClientResponse:
        try:
            response: aiohttp.ClientResponse = await self._pending.__aenter__()
        except TimeoutError as error:
            raise KuboTimeout(f"{self._path}: no answer in time") from error
        except aiohttp.ClientError as error:
            raise KuboError(f"{self._path}: {type(error).__name__}: {error}") from error
        if response.status != 200:  # noqa: PLR2004 - HTTP's OK
            text = (await response.text())[:500]
            await self._pending.__aexit__(None, None, None)
            raise KuboError(f"{self._path}: {_message(text) or response.reason}")
        return response

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._pending.__aexit__(kind, error, trace)
        if isinstance(error, TimeoutError):
            raise KuboTimeout(f"{self._path}: no whole answer in time") from error
        if isinstance(error, aiohttp.ClientError):
            # aiohttp drops trailers, but Kubo cuts the connection with them: the read fails.
            raise KuboError(f"{self._path}: broke off: {error}") from error


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["Message"])
    except (ValueError, KeyError, TypeError):
        return text.strip()


async def _verified(cid: Cid, data: bytes) -> bytes:
    if not await hashing.matches(cid, data):
        raise BlockMismatch(f"{len(data)} bytes came that do not hash to {cid}")
    return data


class TrustlessGateway:
    """A node's gateway, asked for single raw blocks; nothing it says is believed unverified."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/") + "/ipfs/"

    async def fetch(
        self,
        cid: Cid,
        *,
        limit_bytes: int = MAX_BLOCK_BYTES,
        timeout_s: float = 5,
        connect_timeout_s: float = 2,
    ) -> bytes:
        """Return the bytes of one block, verified against its CID.

        Raises:
            BlockMissing: the node does not have it (and asks nobody: `Gateway.NoFetch`).
            BlockTooLarge: more than `limit_bytes`.
            BlockMismatch: other bytes came.
            KuboTimeout, KuboError: no whole answer; it may work later.
        """
        try:
            async with self._session.get(
                f"{self._url}{cid}",
                params={"format": "raw"},
                timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=connect_timeout_s),
                allow_redirects=False,
            ) as response:
                if response.status != 200:  # noqa: PLR2004 - HTTP's OK
                    # Not `text()`: a lying origin's error page may have no end.
                    text = (await response.content.read(300)).decode("utf-8", "replace")
                    raise self._refusal(cid, response.status, text)
                data = await _read_body(response, limit_bytes)
        except TimeoutError as error:
            raise KuboTimeout(f"the gateway sent no whole answer in {timeout_s:g} s") from error
        except aiohttp.ClientError as error:
            raise KuboError(f"the gateway broke off: {type(error).__name__}: {error}") from error
        return await _verified(cid, data)

    @staticmethod
    def _refusal(cid: Cid, status: int, text: str) -> BlockMissing | KuboError:
        if status in (404, 410) or any(word in text for word in _NOT_FOUND_WORDS):
            return BlockMissing(f"the node does not hold {cid}")
        return KuboError(f"the gateway answered {status}: {text.strip()[:200]}")


__all__ = [
    "BlockMismatch",
    "BlockMissing",
    "BlockTooLarge",
    "Identity",
    "InvalidCid",
    "KuboError",
    "KuboRpc",
    "KuboTimeout",
    "TrustlessGateway",
]
