"""The webhook: `POST /api/v1/events`. A 2xx means that what it accepts is durable.

Order: room, size, signature, JSON, each event by itself, commit, answer. Whoever cannot sign costs
no parsing, and whatever is wrong with one event leaves the others of its delivery alone.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from dashboard_gateway.cameras import Camera
from dashboard_gateway.deliveries import Delivery, Reading, parse_json
from dashboard_gateway.group_commit import GROUP_COMMIT
from dashboard_gateway.ingest_metrics import ACCEPTED, DUPLICATES, EVENTS, REFUSED, REJECTED
from dashboard_gateway.resources import LISTENER, POOL, SETTINGS
from dashboard_gateway.roster import Roster
from dashboard_gateway.sorting import CONFLICT, Taken
from dashboard_gateway.verification import (
    SOURCE_HEADER,
    claimed_source,
    evidence,
    verified_sender,
)
from pinhole.contract.errors import Conflict, PinholeError, Refused
from pinhole.contract.event import BATCH_CONTENT_TYPE, SINGLE_CONTENT_TYPE
from pinhole.contract.receipt import MAX_WANTED, Receipt
from pinhole.runtime.http import json_answer, read_limited

PATH: Final = "/api/v1/events"
# 50 events take about 5 ms to read; then others get their turn.
_EVENTS_AT_ONCE: Final = 50

ROSTER = web.AppKey("roster", Roster)


class UnsupportedMediaType(Refused):
    """The body is announced as something else than a camera event or a batch of them."""

    reason = "UNSUPPORTED_MEDIA_TYPE"
    status = 415


def setup(app: web.Application) -> None:
    """Add the route and the cameras in memory."""
    app.cleanup_ctx.append(_roster)
    app.router.add_post(PATH, receive)


async def _roster(app: web.Application) -> AsyncIterator[None]:
    app[ROSTER] = Roster(app[POOL], app[LISTENER])
    yield


async def receive(request: web.Request) -> web.Response:
    """Take one delivery in and answer with its receipt."""
    try:
        delivery = await _read(request)
        taken = await request.app[GROUP_COMMIT].commit(delivery)
        return _answer(taken)
    except PinholeError as error:
        REFUSED.labels(error.reason).inc()
        raise


async def _read(request: web.Request) -> Delivery:
    request.app[GROUP_COMMIT].check_room()
    batch = _is_batch(request)
    body = await read_limited(request, request.app[SETTINGS].max_delivery_bytes)
    camera, values = await _verified(request, body, batch=batch)
    received_at = datetime.now(UTC)
    reading = Reading(camera)
    for index, value in enumerate(values):
        if index and index % _EVENTS_AT_ONCE == 0:
            await asyncio.sleep(0)
        reading.add(index, value)
    headers = evidence(request.headers)
    return Delivery(
        camera=camera,
        headers=headers,
        body=body,
        received_at=received_at,
        sent_at=datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC),
        events=tuple(reading.events),
        refusals=tuple(reading.refusals),
    )


async def _verified(request: web.Request, body: bytes, *, batch: bool) -> tuple[Camera, list[Any]]:
    """Return the sender and the JSON values; the body is parsed first only if it alone names it."""
    roster, headers = request.app[ROSTER], request.headers
    source = headers.get(SOURCE_HEADER)
    if source is not None:
        camera = await verified_sender(roster, source, headers, body)
        return camera, parse_json(body, batch=batch)
    values = parse_json(body, batch=batch)
    return await verified_sender(roster, claimed_source(values), headers, body), values


def _is_batch(request: web.Request) -> bool:
    match request.content_type:
        case "application/cloudevents+json":
            return False
        case "application/cloudevents-batch+json":
            return True
        case other:
            raise UnsupportedMediaType(
                f"send {SINGLE_CONTENT_TYPE} or {BATCH_CONTENT_TYPE}, got {other[:80]!r}"
            )


def _answer(taken: Taken) -> web.Response:
    """Return 202 where anything was good, 409 for a lone contradiction, else 422."""
    _count(taken)
    refusals = sorted(taken.refusals, key=lambda refusal: refusal.index)
    good = taken.accepted + taken.duplicates
    if not good and taken.delivery.size == 1 and refusals[0].reason == CONFLICT:
        raise Conflict(refusals[0].details)
    receipt = Receipt(
        accepted=taken.accepted,
        duplicates=taken.duplicates,
        rejected=[refusal.as_rejected() for refusal in refusals],
        pinned_through=taken.pinned_through,
        wanted=taken.wanted[:MAX_WANTED],
        hub_time=datetime.now(UTC),
    )
    return json_answer(receipt, status=202 if good or not refusals else 422)


def _count(taken: Taken) -> None:
    ACCEPTED.inc(taken.accepted)
    if taken.duplicates:
        DUPLICATES.inc(taken.duplicates)
    for refusal in taken.refusals:
        EVENTS.labels("rejected").inc()
        REJECTED.labels(refusal.reason).inc()
