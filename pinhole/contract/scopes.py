"""What a bearer token may do."""

from enum import StrEnum


class Scope(StrEnum):
    """One permission; a token carries a set of them, and each route names the one it needs."""

    FRAMES_READ = "frames:read"
    """List frames and load pictures of the token's cameras."""
    RESULTS_WRITE = "results:write"
    """Post detections made elsewhere (an orchestrator such as n8n)."""
    PINS_READ = "pins:read"
    """List the token's own pins."""
    PINS_WRITE = "pins:write"
    """Add, replace and delete the token's own pins."""
    PINS_SERVICE = "pins:service"
    """Act for cameras and other owners: Pinhole's own services only."""
    BLOCKS_WRITE = "blocks:write"
    """Store bytes."""
    INFERENCE = "inference"
    """Run the detector, by CID on any held frame."""
    CAMERAS_WRITE = "cameras:write"
    """Enrol and revoke cameras."""
    ADMIN = "admin"
    """Everything on the dashboard."""


class TokenOption(StrEnum):
    """What a token has of its own beside its scopes: switches of the Pinning Service API."""

    UNFINISHED_IN_LISTS = "unfinished_in_lists"
    """Lists without a status show all pins, for clients that expect it; else the pinned ones."""
    ORIGIN_PEERS = "origin_peers"
    """Peer ids whose addresses may be dialled where a pin names them in `origins`."""
    ORIGIN_NETWORKS = "origin_networks"
    """Networks, as CIDR, inside which such an address has to lie."""
