"""Who may look inside a service: `/metrics`, and which part `/healthz` complains of.

Strangers reach the dashboard's published port. Their address does not tell them from Prometheus:
behind a proxy, or a port that Docker publishes, everyone comes from a private one. So there is a
token, from the settings and not from PostgreSQL: an outage is just what one wants to look at.
Without it in the settings, only this machine itself may look.
"""

import hmac
from ipaddress import IPv6Address, ip_address
from typing import Final

from aiohttp import web
from pydantic import SecretStr

from pinhole.contract.errors import Unauthorized
from pinhole.runtime.tokens import bearer_of

METRICS_TOKEN: web.AppKey[SecretStr | None] = web.AppKey("metrics_token")
# What a proxy on this machine adds of whom it speaks for.
_FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")


def is_near(request: web.Request) -> bool:
    """Whether a process on this machine asks, and for itself."""
    if any(name in request.headers for name in _FORWARDED):
        return False
    try:
        address = ip_address(request.remote or "")
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback


def knows_token(request: web.Request) -> bool:
    """Whether the request carries the token of the settings, compared in constant time."""
    token, given = request.app.get(METRICS_TOKEN), bearer_of(request)
    if token is None or given is None:
        return False
    return hmac.compare_digest(given.encode(), token.get_secret_value().encode())


def require_observer(request: web.Request) -> None:
    """Return where the caller may read metrics.

    Where a token is set, everyone needs it: a proxy on this machine may not say for whom it asks.

    Raises:
        Unauthorized: neither the token, nor, where there is none, this machine itself.
    """
    if request.app.get(METRICS_TOKEN) is None:
        if is_near(request):
            return
        raise Unauthorized("metrics are told to this machine only: no metrics token is set here")
    if not knows_token(request):
        raise Unauthorized("metrics need the bearer token of the setting METRICS_TOKEN")
