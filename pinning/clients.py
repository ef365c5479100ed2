"""Outside clients: what a token's `options` allow it.

`unfinished_in_lists` (bool): lists without a status show unfinished pins too, for clients that
expect them. `origin_peers` (peer ids) and `origin_networks` (CIDR): which `origins` may be dialled.
"""

from collections.abc import Sequence
from ipaddress import ip_network

from pinhole.runtime.tokens import Token
from pinning.networks import AddressNotAllowed, AllowedNetworks, peer_of


def lists_unfinished(token: Token) -> bool:
    """Whether the token's lists without a status show unfinished and failed pins too."""
    return bool(token.options.get("unfinished_in_lists", False))


def allowed_origins(token: Token, origins: Sequence[str], networks: AllowedNetworks) -> list[str]:
    """Return those of `origins` that the hub may dial for this token; the others are ignored.

    An origin needs a peer that the token names and an address inside both the token's networks
    and the service's own.
    """
    peers = set(token.options.get("origin_peers", ()))
    own = AllowedNetworks([ip_network(text) for text in token.options.get("origin_networks", ())])
    return [
        origin
        for origin in origins
        if peer_of(origin) in peers and _lies_in(own, origin) and _lies_in(networks, origin)
    ]


def _lies_in(networks: AllowedNetworks, origin: str) -> bool:
    try:
        networks.multiaddress(origin)
    except AddressNotAllowed:
        return False
    return True
