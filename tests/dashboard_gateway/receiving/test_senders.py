"""Who may send to the webhook, and what strangers are told."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from dashboard_gateway import cameras
from pinhole.contract.signing import Ed25519Signer
from pinhole.runtime.postgres import Pool
from tests.dashboard_gateway.receiving.sending import Sender, enrolled
from tests.dashboard_gateway.receiving.stored import NOTHING, stored
from tests.support.polling import Eventually


@pytest.mark.parametrize("stranger", ["unknown camera", "another key", "tampered body"])
async def test_strangers_and_wrong_signatures_get_one_answer_and_store_nothing(
    camera: Sender, pool: Pool, stranger: str
) -> None:
    event = camera.frame()
    body = json.dumps(event).encode()
    signed = camera.signer.headers(body, "msg_1", datetime.now(UTC))
    if stranger == "unknown camera":
        body = body.replace(b"/cameras/gate", b"/cameras/nobody")
        signed = camera.signer.headers(body, "msg_1", datetime.now(UTC))
    elif stranger == "another key":
        signed = Ed25519Signer.generate().headers(body, "msg_1", datetime.now(UTC))
    else:
        body = body.replace(b'"width_px": 1920', b'"width_px": 1921')
    answer = await camera.post(body, headers=signed)
    assert (answer.status, answer.reason) == (401, "BAD_SIGNATURE")
    assert answer.body["error"]["details"] == (
        "no signature of the request was made by a key of this sender"
    )
    assert await stored(pool) == NOTHING


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
async def test_delivery_without_a_signed_header_is_refused(
    camera: Sender, pool: Pool, missing: str
) -> None:
    answer = await camera.post(json.dumps(camera.frame()).encode(), headers={missing: ""})
    assert (answer.status, answer.reason) == (401, "BAD_SIGNATURE")
    assert await stored(pool) == NOTHING


@pytest.mark.parametrize("skew", [timedelta(minutes=6), timedelta(minutes=-6)])
async def test_delivery_signed_at_another_time_is_refused_with_the_hubs_time(
    camera: Sender, pool: Pool, skew: timedelta
) -> None:
    answer = await camera.send(camera.frame(), at=datetime.now(UTC) + skew)
    assert (answer.status, answer.reason) == (401, "CLOCK_SKEW")
    hub_time = datetime.fromisoformat(answer.body["error"]["hub_time"])
    assert abs(hub_time - datetime.now(UTC)) < timedelta(seconds=5)
    assert await stored(pool) == NOTHING


async def test_revoked_camera_is_told_so_and_a_forger_of_it_is_not(
    camera: Sender, pool: Pool, eventually: Eventually
) -> None:
    assert (await camera.send(camera.frame())).status == 202
    await cameras.revoke(pool, camera.site, camera.name)

    async def refused() -> bool:
        # The camera is in the roster's memory: a notice takes it out.
        return (await camera.send(camera.heartbeat())).status == 403

    await eventually(refused, 2)
    answer = await camera.send(camera.frame())
    assert (answer.status, answer.reason) == (403, "REVOKED")
    camera.signer = Ed25519Signer.generate()
    assert (await camera.send(camera.frame())).status == 401
    assert (await stored(pool))["frames"] == 1


async def test_camera_enrolled_with_another_key_signs_with_that_at_once(
    camera: Sender, pool: Pool, eventually: Eventually
) -> None:
    assert (await camera.send(camera.frame())).status == 202
    renewed = await enrolled(pool, camera.client)

    async def accepted() -> bool:
        return (await renewed.send(renewed.heartbeat())).status == 202

    await eventually(accepted, 2)
    assert (await camera.send(camera.frame())).status == 401
    assert renewed.camera_id == camera.camera_id


async def test_source_header_names_the_sender_without_reading_the_body(camera: Sender) -> None:
    named = {"Pinhole-Source": camera.source}
    assert (await camera.send(camera.frame(), headers=named)).status == 202
    # Not even JSON, and refused for its signature only where that is wrong.
    answer = await camera.post(b"{", headers=named)
    assert (answer.status, answer.reason) == (400, "BAD_JSON")
    camera.signer = Ed25519Signer.generate()
    answer = await camera.post(b"{", headers=named)
    assert (answer.status, answer.reason) == (401, "BAD_SIGNATURE")


@pytest.mark.parametrize("source", ["", "x", "/sites/a/cameras/b/../c", "/sites/A/cameras/b"])
async def test_source_header_that_names_no_camera_is_a_stranger(
    camera: Sender, source: str
) -> None:
    answer = await camera.send(camera.frame(), headers={"Pinhole-Source": source})
    assert (answer.status, answer.reason) == (401, "BAD_SIGNATURE")
