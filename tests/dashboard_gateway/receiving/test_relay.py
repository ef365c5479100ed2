"""Bytes that cameras push."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid
from pinhole.contract.signing import Ed25519Signer
from pinhole.runtime.postgres import Pool
from tests.dashboard_gateway.receiving.broken import silent_service
from tests.dashboard_gateway.receiving.centre import Centre, frame
from tests.dashboard_gateway.receiving.conftest import StartDashboard
from tests.dashboard_gateway.receiving.sending import Sender, enrolled, rows


async def test_pushed_bytes_are_stored_at_the_hub_as_the_cameras_own(centre: Centre) -> None:
    camera = await centre.enrol()
    data = frame()
    answer = await camera.push(data)
    assert answer.status == 200
    assert answer.body["cid"] == str(Cid.of(data))
    (binding,) = await rows(centre.pool, "SELECT owner FROM pinning.bindings")
    assert binding["owner"] == "camera:city/gate"
    assert (await camera.push(data)).body["duplicate"] is True


async def test_push_by_another_camera_is_another_owner(centre: Centre) -> None:
    camera, other = await centre.enrol("gate"), await centre.enrol("yard")
    data = frame()
    await camera.push(data)
    assert (await other.push(data)).body["duplicate"] is False


@pytest.mark.parametrize("forgery", ["another key", "another camera", "no source", "other bytes"])
async def test_push_that_is_not_signed_by_its_camera_is_refused(
    camera: Sender, pool: Pool, forgery: str
) -> None:
    data, named = frame(), {"Pinhole-Source": camera.source}
    signed = camera.signer.headers(data, "msg_1", datetime.now(UTC))
    if forgery == "another key":
        signed = Ed25519Signer.generate().headers(data, "msg_1", datetime.now(UTC))
    elif forgery == "another camera":
        named = {"Pinhole-Source": (await enrolled(pool, camera.client, "yard")).source}
    elif forgery == "no source":
        named = {"Pinhole-Source": ""}
    else:
        data = frame()
    answer = await camera.push(data, **signed, **named)
    assert (answer.status, answer.reason) == (401, "BAD_SIGNATURE")


async def test_push_signed_long_ago_is_refused(camera: Sender) -> None:
    data = frame()
    signed = camera.signer.headers(data, "msg_1", datetime.now(UTC) - timedelta(minutes=6))
    answer = await camera.push(data, **signed)
    assert (answer.status, answer.reason) == (401, "CLOCK_SKEW")


async def test_push_of_more_than_one_block_is_refused_unread(camera: Sender) -> None:
    answer = await camera.push(bytes(MAX_BLOCK_BYTES + 1))
    assert (answer.status, answer.reason) == (413, "TOO_LARGE")


async def test_empty_push_is_refused(camera: Sender) -> None:
    answer = await camera.push(b"")
    assert (answer.status, answer.reason) == (422, "EMPTY_BODY")


async def test_push_while_pinning_is_away_is_answered_503_with_retry_after(
    centre: Centre,
) -> None:
    camera = await centre.enrol()
    await centre.pinning.stop()
    answer = await camera.push(frame())
    assert (answer.status, answer.reason) == (503, "UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) >= 1


async def test_more_pushes_than_there_is_memory_for_are_answered_429(
    start_dashboard: StartDashboard, pool: Pool
) -> None:
    async with silent_service() as url:
        client = await start_dashboard(pinning_url=url, relays_at_once=1)
        camera = await enrolled(pool, client)
        pushes = [asyncio.create_task(camera.push(frame())) for _ in range(2)]
        done, waiting = await asyncio.wait(pushes, return_when=asyncio.FIRST_COMPLETED)
        answer = done.pop().result()
        assert (answer.status, answer.reason) == (429, "BUSY")
        for push in waiting:
            push.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
