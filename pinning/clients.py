"""Outside clients: what a token's options allow it."""

from collections.abc import Sequence
from ipaddress import ip_network

from pinhole.contract.scopes import TokenOption
from pinhole.runtime.tokens import Token
from pinning.networks import AddressNotAllowed, AllowedNetworks, peer_of


def lists_unfinished(token: Token) -> bool:
    """Whether the token's lists without a status show unfinished and failed pins too."""
    return bool(token.options.get(TokenOption.UNFINISHED_IN_LISTS, False))


def allowed_origins(token: Token, origins: Sequence[str], networks: AllowedNetworks) -> list[str]:
    """Return those of `origins` that the hub may dial for this token; the others are ignored.

    An origin needs a peer that the token names and an address inside both the token's networks
    and the service's own.
    """
    peers = set(token.options.get(TokenOption.ORIGIN_PEERS, ()))
    networks_of_token = token.options.get(TokenOption.ORIGIN_NETWORKS, ())
    own = AllowedNetworks([ip_network(text) for text in networks_of_token])
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
