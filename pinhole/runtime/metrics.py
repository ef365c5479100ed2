"""Prometheus metrics: `/metrics` of every service."""

import asyncio
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Histogram, generate_latest

from pinhole.runtime.observers import require_observer

# From 1 ms to 30 s: the budgets lie between 2 ms (proxy) and seconds (back-off).
LATENCY_BUCKETS_S: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip

REQUEST_SECONDS: Final = Histogram(
    "pinhole_http_request_seconds",
    "Time from the request's headers to the last byte of the answer.",
    ["service", "route", "status"],
    buckets=LATENCY_BUCKETS_S,
)


async def metrics(request: web.Request) -> web.Response:
    """Answer `GET /metrics`.

    Raises:
        Unauthorized: see `require_observer`.
    """
    require_observer(request)
    # A thread: the process collector reads /proc.
    exposition = await asyncio.to_thread(generate_latest, REGISTRY)
    return web.Response(body=exposition, headers={"Content-Type": CONTENT_TYPE_LATEST})
