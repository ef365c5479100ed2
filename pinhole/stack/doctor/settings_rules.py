"""The configuration against the profile: every setting, and what a wrong one leads to."""

import json
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any, Final

from pinhole.stack.doctor.finding import Finding, Severity
from pinhole.stack.kubo_profile import (
    CAMERA_PATHS,
    HUB_PATHS,
    Addresses,
    Role,
    Section,
    leaves,
    profile,
)

Mend = Callable[[str, Any], str]
"""Returns the command that gives a setting a value."""

_PUBLIC: Final = "it speaks to the public IPFS network"
_UPLOADS: Final = "uploads larger than a block get other CIDs here than on the other nodes"
# What each setting leads to where it is not the profile's. Those that are not here make a node
# slower or larger, not dangerous. Source: Kubo's docs/config.md, v0.43.0.
DANGERS: Final[Mapping[str, str]] = {
    "AutoConf.Enabled": "it takes its settings from a server on the internet",
    "AutoTLS.Enabled": "it asks a public service for a certificate and is named there",
    "Bootstrap": "it dials these peers at every start",
    "DNS.Resolvers": "it asks DNS servers on the internet",
    "Discovery.MDNS.Enabled": "it announces itself to every network that it is in",
    "HTTPRetrieval.Enabled": "it fetches blocks from web servers that others name",
    "Ipns.DelegatedPublishers": _PUBLIC,
    "Plugins.Plugins.telemetry.Disabled": "it reports on itself to a server on the internet",
    "Provide.Enabled": "it announces what it holds",
    "Routing.Type": _PUBLIC,
    "Routing.DelegatedRouters": "it asks servers on the internet who has which block",
    "Swarm.DisableNatPortMap": "it opens a port of the router to the internet",
    "Swarm.EnableHolePunching": "it opens ways in through the firewall",
    "Swarm.RelayClient.Enabled": "it can be reached through relays",
    "Swarm.RelayService.Enabled": "it relays the traffic of others",
    "Import.CidVersion": _UPLOADS,
    "Import.UnixFSRawLeaves": _UPLOADS,
    "Import.UnixFSChunker": _UPLOADS,
    "Import.HashFunction": _UPLOADS,
    "Gateway.NoFetch": "its gateway fetches from the swarm for whoever asks",
    "Gateway.NoDNSLink": "its gateway looks up names for whoever asks",
    "Gateway.DeserializedResponses": "its gateway serves pages, not only blocks that are verified",
    "Gateway.ExposeRoutingAPI": "its gateway tells who has which block",
    "Gateway.PublicGateways": "its gateway answers under other names by other rules",
    "Bitswap.ServerEnabled": "every member of the swarm gets every frame of the hub by its CID",
}
# Compared by rules of their own, below, or different on each machine.
_OWN_RULES: Final = ("API.", "Addresses.", "Peering.", "Datastore.")


def of_settings(
    role: Role, config: Mapping[str, Any], mend: Mend, *, is_whole: bool
) -> Iterator[Finding]:
    """Yield what of a configuration is not the profile's."""
    for key, wanted in leaves(_wanted(role)):
        # A camera's bitswap serves the hub; where it does not, that is its owner's loss alone.
        if key.startswith(_OWN_RULES) or (key == "Bitswap.ServerEnabled" and role is Role.CAMERA):
            continue
        seen = _at(config, key)
        if seen == wanted or (not seen and wanted in ([], {}, None)):
            continue
        danger = DANGERS.get(key)
        tail = f": {danger}" if danger else ""
        yield Finding(
            severity=Severity.DANGEROUS if danger else Severity.DIFFERENT,
            what=key,
            sentence=f"{key} is {_shown(seen)} and should be {_shown(wanted)}{tail}",
            mend=mend(key, wanted),
        )
    yield from _of_rpc_addresses(config, mend)
    yield from _of_datastore(config)
    if is_whole:
        yield from _of_authorizations(role, config, mend)


def _wanted(role: Role) -> Section:
    return profile(role, Addresses(api="", gateway="", swarm=[]))


def _at(config: Mapping[str, Any], key: str) -> Any:  # noqa: ANN401 - JSON
    value: Any = config
    for word in key.split("."):
        value = value.get(word) if isinstance(value, Mapping) else None
    return value


def _shown(value: object) -> str:
    text = "not set" if value is None else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - a line's worth


def _of_rpc_addresses(config: Mapping[str, Any], mend: Mend) -> Iterator[Finding]:
    told = _at(config, "Addresses.API") or []
    for address in [told] if isinstance(told, str) else told:
        if not _is_private(address):
            yield Finding(
                severity=Severity.DANGEROUS,
                what="Addresses.API",
                sentence=f"the RPC listens on {address}: whoever reaches that owns the node; it "
                "belongs on loopback or on a private network of its own",
                mend=mend("Addresses.API", "/ip4/127.0.0.1/tcp/5001"),
            )


def _is_private(multiaddress: str) -> bool:
    """Whether an address can be reached from this machine or a private network alone."""
    words = multiaddress.split("/")
    if words[1:2] == ["unix"]:
        return True
    try:
        address = ip_address(words[2])
    except (IndexError, ValueError):
        return words[2:3] == ["localhost"]
    return address.is_private and not address.is_unspecified


def _of_datastore(config: Mapping[str, Any]) -> Iterator[Finding]:
    for spec in _specs(_at(config, "Datastore.Spec")):
        # flatfs, badger and pebble each have their own word for it.
        for key, unsafe in (("sync", False), ("syncWrites", False), ("disableWAL", True)):
            if spec.get(key) is unsafe:
                yield Finding(
                    severity=Severity.DANGEROUS,
                    what="Datastore.Spec",
                    sentence=f"the {spec.get('type')} datastore has {key} {_shown(unsafe)}: a "
                    "power cut loses frames that were acknowledged as pinned",
                    mend=f'set "{key}": {_shown(not unsafe)} in Datastore.Spec of the '
                    "repository's file `config`, then start the node again",
                )


def _specs(spec: object) -> Iterator[Mapping[str, Any]]:
    """Yield every datastore in a specification, however deep it is mounted."""
    if isinstance(spec, Mapping):
        yield spec
        for inner in spec.values():
            yield from _specs(inner)
    elif isinstance(spec, list):
        for inner in spec:
            yield from _specs(inner)


def _of_authorizations(role: Role, config: Mapping[str, Any], mend: Mend) -> Iterator[Finding]:
    allowed = HUB_PATHS if role is Role.HUB else CAMERA_PATHS
    for name, entry in (_at(config, "API.Authorizations") or {}).items():
        # Prefixes: "/api/v0/pin/" allows pin/remote too.
        more = [path for path in entry.get("AllowedPaths") or () if path not in allowed]
        if more:
            yield Finding(
                severity=Severity.DANGEROUS,
                what="API.Authorizations",
                sentence=f"the RPC's credential {name!r} may call {', '.join(more)}, which nothing "
                "of Pinhole needs",
                mend=mend(f"API.Authorizations.{name}.AllowedPaths", list(allowed)),
            )
