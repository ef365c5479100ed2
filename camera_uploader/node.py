"""The camera's own Kubo node: the one module that knows ipfshttpclient.

ipfshttpclient 0.8.0a2 is the last release and works with Kubo 0.43 (docs/decisions). What it needs
help with is here and nowhere else, so that replacing it is this file:

- `connect` does nothing but warn about every Kubo since 0.9, so `Client` is made without it.
- `swarm.connect` takes an address apart letter by letter; the generic request does not.
- its HTTP pool passes urllib3 a parameter that urllib3 3 refuses; it is taken out again.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import ipfshttpclient
from ipfshttpclient.exceptions import Error, ErrorResponse
from ipfshttpclient.exceptions import TimeoutError as NodeTimeout

from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid
from pinhole.contract.errors import NotFound, Refused, Unavailable

_RAW_BLOCK: Final = {"cid-codec": "raw", "mhtype": "sha2-256", "pin": "false"}
_OFFLINE: Final = {"offline": "true"}
# One chunk a block: the default of 8 KiB makes 25 writes of a frame.
_CHUNK_BYTES: Final = MAX_BLOCK_BYTES + 4096
# What Kubo says of a block that it does not hold, when it may not ask others.
_ABSENT_WORDS: Final = ("not found", "could not find")
_ALREADY_PINNED: Final = "already pinned recursively"


class NodeError(Unavailable):
    """The node did not do what was asked, or did not answer; its own message is in `details`."""

    reason = "NODE_UNAVAILABLE"


class BlockAbsent(NotFound):
    """The node does not hold the block."""

    reason = "BLOCK_ABSENT"


class WrongBytes(Refused):
    """The node returned other bytes than the CID names: its store is damaged."""

    reason = "HASH_MISMATCH"


@dataclass(frozen=True)
class NodeIdentity:
    """The node's name in the swarm and what it runs."""

    peer_id: str
    agent: str


class Node:
    """A connection to the node's RPC, kept open between calls. For one thread at a time.

    Every call ends within `timeout_s` and raises `NodeError` where the node is not there or
    refuses; all of them may be repeated without harm.
    """

    def __init__(self, rpc_url: str, *, token: str | None = None, timeout_s: float = 10.0) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = ipfshttpclient.Client(
            multiaddress(rpc_url),
            session=True,
            chunk_size=_CHUNK_BYTES,
            headers=headers,
            timeout=timeout_s,
        )
        self._http = self._client._client  # noqa: SLF001 - its generic request has no other name
        _prepare(self._http._session)  # noqa: SLF001

    def put(self, data: bytes) -> Cid:
        """Store `data` as one raw block, not yet pinned, and return its CID.

        Raises:
            WrongBytes: the node made another CID of them.
        """
        answer = self._ask(self._client.block.put, io.BytesIO(data), opts=_RAW_BLOCK)
        cid = Cid.of(data)
        if answer["Key"] != str(cid):
            raise WrongBytes(f"the node stored {answer['Key']}, the bytes are {cid}")
        return cid

    def pin(self, cid: Cid) -> None:
        """Pin the block itself (direct): `block/rm` walks recursive pins, 34..100 ms each."""
        try:
            self._ask(self._client.pin.add, str(cid), recursive=False)
        except NodeError as error:
            if _ALREADY_PINNED not in error.details:
                raise

    def block(self, cid: Cid) -> bytes:
        """Return the block from this node's own store, verified.

        Raises:
            BlockAbsent: it is not there.
            WrongBytes: what is there is damaged.
        """
        data: bytes = self._ask_for_block("/block/get", cid, decoder="none")
        if not cid.matches(data):
            raise WrongBytes(f"the node's {len(data)} bytes are not those that {cid} names")
        return data

    def size_bytes(self, cid: Cid) -> int:
        """Return the size of a block in this node's own store; raises `BlockAbsent`."""
        (answer,) = self._ask_for_block("/block/stat", cid, decoder="json")
        return int(answer["Size"])

    def pinned(self) -> Iterator[Cid]:
        """Yield every direct pin, streamed: 100,000 take 1.5 s, so ask rarely."""
        options = {"type": "direct", "stream": "true"}
        stream = self._ask(self._http.request, "/pin/ls", opts=options, decoder="json", stream=True)
        with stream:
            for entry in stream:
                if "Cid" in entry:
                    yield Cid.parse(entry["Cid"])

    def connect(self, address: str) -> None:
        """Connect to a peer, `/ip4/…/tcp/…/p2p/…`; at once, whatever Kubo's own back-off says."""
        self._ask(self._http.request, "/swarm/connect", (address,), decoder="json")

    def identity(self) -> NodeIdentity:
        """Return who the node is."""
        (answer,) = self._ask(self._http.request, "/id", decoder="json")
        return NodeIdentity(str(answer["ID"]), str(answer["AgentVersion"]))

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _ask_for_block(self, path: str, cid: Cid, *, decoder: str) -> Any:  # noqa: ANN401
        try:
            return self._ask(self._http.request, path, (str(cid),), opts=_OFFLINE, decoder=decoder)
        except NodeError as error:
            if any(words in error.details for words in _ABSENT_WORDS):
                raise BlockAbsent(f"the node does not hold {cid}") from error
            raise

    @staticmethod
    def _ask(call: Any, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - Kubo's JSON
        try:
            return call(*arguments, **options)
        except ErrorResponse as error:
            raise NodeError(f"the Kubo node says: {error}") from error
        except NodeTimeout as error:
            raise NodeError("the Kubo node did not answer in time") from error
        except Error as error:
            raise NodeError(f"the Kubo node cannot be reached: {type(error).__name__}") from error


def multiaddress(rpc_url: str) -> str:
    """Return the multiaddress of an RPC's http(s) URL, as ipfshttpclient wants it."""
    parts = urlsplit(rpc_url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    family = "dns"
    if ":" in host:
        family = "ip6"
    elif host.replace(".", "").isdigit():
        family = "ip4"
    return f"/{family}/{host}/tcp/{port}/{parts.scheme}"


def _prepare(session: Any) -> None:  # noqa: ANN401 - requests' Session, wrapped
    # No proxy, no ~/.netrc: the node is beside us (and asking for both took 0.8 ms a call).
    session.trust_env = False
    for adapter in session.adapters.values():
        adapter.poolmanager.connection_pool_kw.pop("strict", None)
