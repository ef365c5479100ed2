"""The settings of our Kubo nodes: a private swarm without any public service.

Source: Kubo's docs/config.md (v0.43.0); the choices and their measurements are recorded in
docs/decisions.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pinhole.contract.cid import MAX_BLOCK_BYTES

# One JSON object of Kubo's configuration file.
Section = dict[str, Any]

ENVIRONMENT: Mapping[str, str] = {
    # Refuse to run without a swarm key: never join the public network by mistake.
    "LIBP2P_FORCE_PNET": "1",
    "IPFS_TELEMETRY": "off",
    "DO_NOT_TRACK": "1",
}

# The datastore is chosen at `ipfs init`. Pebble keeps small blocks and pins in one tree with one
# write-ahead log (block/put of 200 KB: 1.1 ms); it frees space at compaction. `flatfs` frees it
# at once, for disks that are always nearly full.
INIT_PROFILE = "pebbleds"

# AllowedPaths are string prefixes ("/api/v0/pin/" would allow pin/remote): whole names only.
CAMERA_PATHS: tuple[str, ...] = tuple(
    f"/api/v0/{name}"
    for name in (
        *("add", "block/put", "block/get", "block/stat", "block/rm"),
        *("pin/add", "pin/rm", "pin/ls", "repo/stat", "swarm/peers", "swarm/connect", "id"),
    )
)
# The hub's one credential is pinning's, which also lists and verifies what the node holds.
HUB_PATHS: tuple[str, ...] = (
    *CAMERA_PATHS,
    *("/api/v0/repo/gc", "/api/v0/refs/local", "/api/v0/diag/sys"),
)


class Role(StrEnum):
    """Which side of the pipeline a node is on."""

    HUB = "hub"
    CAMERA = "camera"


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where a node listens, as multiaddresses."""

    api: str
    gateway: str
    swarm: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Another node to stay connected to."""

    peer_id: str
    addresses: Sequence[str]


def profile(
    role: Role,
    addresses: Addresses,
    *,
    peers: Sequence[Peer] = (),
    rpc_token: str | None = None,
    expected_blocks: int = 10_000_000,
) -> Section:
    """Return the configuration to lay over a fresh one, section by section.

    `rpc_token` is the bearer token that the RPC port asks for; without one it trusts whoever
    reaches it. `expected_blocks` sizes the hub's bloom filter.
    """
    paths = HUB_PATHS if role is Role.HUB else CAMERA_PATHS
    return {
        **_everywhere(),
        "API": {"HTTPHeaders": {}, "Authorizations": _authorizations(role, rpc_token, paths)},
        "Addresses": {
            "API": addresses.api,
            "Gateway": addresses.gateway,
            "Swarm": list(addresses.swarm),
            "Announce": [],
            "AppendAnnounce": [],
            "NoAnnounce": [],
        },
        "Peering": {"Peers": [{"ID": p.peer_id, "Addrs": list(p.addresses)} for p in peers]},
        # Any member of the swarm may ask any other for any CID: the hub serves nobody that way.
        "Bitswap": {"ServerEnabled": role is Role.CAMERA},
        "Datastore": _datastore(role, expected_blocks),
    }


def _everywhere() -> Section:
    return {**_no_public_services(), **_content(), **_transport()}


def _no_public_services() -> Section:
    return {
        "AutoConf": {"Enabled": False},
        "AutoNAT": {"ServiceMode": "disabled"},
        "AutoTLS": {"Enabled": False, "AutoWSS": False},
        "Bootstrap": [],
        "DNS": {"Resolvers": {}},
        "Discovery": {"MDNS": {"Enabled": False}},
        "HTTPRetrieval": {"Enabled": False},
        "Ipns": {"DelegatedPublishers": []},
        "Plugins": {"Plugins": {"telemetry": {"Disabled": True}}},
        "Provide": {"Enabled": False},
        "Pubsub": {"Enabled": False},
        "Routing": {"Type": "none", "DelegatedRouters": []},
        "Version": {"SwarmCheckEnabled": False},
    }


def _content() -> Section:
    return {
        # What a tree's CID depends on, when an upload is larger than one block.
        "Import": {
            "CidVersion": 1,
            "UnixFSRawLeaves": True,
            "UnixFSChunker": f"size-{MAX_BLOCK_BYTES}",
            "HashFunction": "sha2-256",
            "FastProvideRoot": False,
        },
        "Gateway": {
            "NoFetch": True,
            "NoDNSLink": True,
            # Trustless answers only: whoever asks verifies the bytes.
            "DeserializedResponses": False,
            "DisableHTMLErrors": True,
            "ExposeRoutingAPI": False,
            "RetrievalTimeout": "5s",
            "PublicGateways": {},
        },
        "Internal": {
            # A block that fits is sent at once instead of offered: 41 ms become 21 ms, or 4 ms.
            "Bitswap": {"WantHaveReplaceSize": 1_048_576},
            "CGNATCheck": False,
            "ShutdownTimeout": "30s",
        },
    }


def _transport() -> Section:
    return {
        "Swarm": {
            "DisableNatPortMap": True,
            "EnableHolePunching": False,
            "RelayClient": {"Enabled": False},
            "RelayService": {"Enabled": False},
            # TCP only: a private swarm has no QUIC, and so no WebTransport or WebRTC.
            "Transports": {
                "Network": {
                    "QUIC": False,
                    "Relay": False,
                    "TCP": True,
                    "Websocket": False,
                    "WebRTCDirect": False,
                    "WebTransport": False,
                }
            },
        }
    }


def _datastore(role: Role, expected_blocks: int) -> Section:
    match role:
        case Role.HUB:
            return {
                "BlockKeyCacheSize": 1_048_576,
                "BloomFilterSize": bloom_filter_bytes(expected_blocks),
            }
        case Role.CAMERA:
            return {"BlockKeyCacheSize": 65_536, "BloomFilterSize": 0}


def bloom_filter_bytes(expected_blocks: int) -> int:
    """Return the filter's size in bytes: the power of two with a false positive rate below 1 %.

    With its 7 hashes the filter needs 1.34 bytes a block for 0.6 % (docs/config.md, sizing).
    """
    needed = max(1, expected_blocks * 134 // 100)
    return 1 << (needed - 1).bit_length()


def _authorizations(role: Role, token: str | None, paths: Sequence[str]) -> Section | None:
    if token is None:
        return None
    name = "pinning" if role is Role.HUB else "camera"
    return {name: {"AuthSecret": f"bearer:{token}", "AllowedPaths": list(paths)}}


def laid_over(config: Section, overlay: Mapping[str, Any]) -> Section:
    """Return `config` with `overlay` over it, object by object; lists and values are replaced.

    Empty objects replace too: `DNS.Resolvers {}` has to remove the default's "auto" entry.
    """
    merged = dict(config)
    for key, value in overlay.items():
        below = merged.get(key)
        if isinstance(value, dict) and value and isinstance(below, dict):
            merged[key] = laid_over(below, value)
        else:
            merged[key] = value
    return merged


def leaves(section: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each setting by its dotted name, with its value.

    API.Authorizations are one setting: a name that is no longer in them ends.
    """
    for key, value in section.items():
        name = f"{above}{key}"
        if isinstance(value, dict) and value and name != "API.Authorizations":
            yield from leaves(value, f"{name}.")
        else:
            yield name, value
