"""Which addresses may be dialled: numbers inside allowed networks, never names.

A name could be made to resolve to anything later. Source: OWASP on server-side request forgery.
"""

import re
from collections.abc import Collection, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from pinhole.contract.errors import Unprocessable
from pinning.settings import Network

Address = IPv4Address | IPv6Address

_MULTIADDRESS: Final = re.compile(
    r"/ip[46]/(?P<host>[0-9a-fA-F.:]+)/tcp/(?P<port>[0-9]{1,5})(?:/p2p/(?P<peer>[A-Za-z0-9]+))?"
)
_MAX_PORT: Final = 65_535


class AddressNotAllowed(Unprocessable):
    """The address is malformed, a name, or outside the allowed networks."""

    reason = "ADDRESS_NOT_ALLOWED"


class AllowedNetworks:
    """The networks in which origins may lie, and the one gateway there that is no origin.

    `hub` is where the hub's own gateway listens: it would serve any camera's blocks as if they
    were the owner's.
    """

    def __init__(self, networks: Sequence[Network], hub: Collection[tuple[str, int]] = ()) -> None:
        self._networks = tuple(networks)
        self._hub = [(ip_address(host), port) for host, port in hub]

    def gateway(self, url: str) -> str:
        """Return the URL of a trustless gateway as it will be dialled.

        Raises:
            AddressNotAllowed: it is not `http://<address>:<port>` inside the networks.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise AddressNotAllowed(f"gateway_url {url[:100]!r}: {error}") from error
        if not _is_plain(parts) or port is None:
            raise AddressNotAllowed(f"gateway_url is http://<address>:<port>, got {url[:100]!r}")
        address = self._checked(host, f"gateway_url {url[:100]!r}")
        if any(_same_place(address, hub) and port == hub_port for hub, hub_port in self._hub):
            raise AddressNotAllowed(f"gateway_url {url!r} is the hub's own gateway")
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def multiaddress(self, text: str) -> str:
        """Return `text`, which is `/ip4|ip6/<address>/tcp/<port>[/p2p/<peer>]`.

        Raises:
            AddressNotAllowed: it is none, or outside the networks.
        """
        match = _MULTIADDRESS.fullmatch(text)
        if match is None or not 0 < int(match["port"]) <= _MAX_PORT:
            raise AddressNotAllowed(
                f"an address is /ip4/…/tcp/… or /ip6/…/tcp/…, got {text[:100]!r}"
            )
        self._checked(match["host"], f"the address {text!r}")
        return text

    def _checked(self, host: str, what: str) -> Address:
        try:
            address = ip_address(host)
        except ValueError as error:
            raise AddressNotAllowed(f"{what} is no number, and names are not resolved") from error
        if not any(address in network for network in self._networks):
            raise AddressNotAllowed(f"{what} is outside the allowed networks")
        return address


def _same_place(one: Address, other: Address) -> bool:
    # Every loopback address is this machine.
    return one == other or (one.is_loopback and other.is_loopback)


def _is_plain(parts: SplitResult) -> bool:
    """Whether a URL is scheme, host and port only."""
    extras = parts.username, parts.password, parts.query, parts.fragment
    return parts.scheme == "http" and parts.path in ("", "/") and not any(extras)


def peer_of(multiaddress: str) -> str | None:
    """Return the peer id at the end of a multiaddress, if it names one."""
    match = _MULTIADDRESS.fullmatch(multiaddress)
    return match["peer"] if match is not None else None
