"""The webhook: what is kept, and what is answered."""

import asyncio
import json

from pinhole.contract.event import digest
from pinhole.contract.signing import HmacKey
from pinhole.runtime.postgres import Pool
from tests.dashboard_gateway.receiving.conftest import StartDashboard
from tests.dashboard_gateway.receiving.sending import Client, Sender, count, enrolled, rows
from tests.dashboard_gateway.receiving.stored import FRAME_JOBS, stored


async def test_event_is_stored_with_its_evidence_and_its_job_before_it_is_acknowledged(
    camera: Sender, pool: Pool
) -> None:
    event = camera.frame(attributes={"plate": "B-XY 123", "confidence": 0.93})
    answer = await camera.send(event)
    assert (answer.status, answer.receipt.accepted) == (202, 1)
    (frame,) = await rows(pool, "SELECT * FROM dashboard.frames")
    assert (frame["bytes_state"], frame["analysis_state"]) == ("awaited", "waiting")
    assert frame["chain_state"] == "verified"
    assert frame["event_digest"] == digest(event)
    assert frame["attributes"] == {"plate": "B-XY 123", "confidence": 0.93}
    (delivery,) = await rows(pool, "SELECT * FROM dashboard.deliveries")
    assert frame["delivery_id"] == delivery["delivery_id"]
    assert json.loads(delivery["body"]) == event
    assert delivery["headers"]["webhook-signature"].startswith("v1a,")
    (job,) = await rows(pool, "SELECT * FROM dashboard.pgqueuer WHERE entrypoint = 'frames'")
    assert job["payload"] == str(frame["frame_id"]).encode()


async def test_batch_is_one_delivery_one_job_and_a_verified_chain(
    camera: Sender, pool: Pool
) -> None:
    answer = await camera.send(*(camera.frame() for _ in range(20)))
    assert (answer.status, answer.receipt.accepted) == (202, 20)
    assert await stored(pool) == {"frames": 20, "deliveries": 1, "streams": 1, "absences": 0}
    assert await count(pool, FRAME_JOBS) == 1
    chained = "SELECT count(*) FROM dashboard.frames WHERE chain_state = 'verified'"
    assert await count(pool, chained) == 20


async def test_keyless_sender_with_a_shared_secret_may_leave_the_stream_out(
    pool: Pool, receiving: Client
) -> None:
    n8n = await enrolled(pool, receiving, "n8n", signer=HmacKey.generate())
    answer = await n8n.send(n8n.unchained())
    assert answer.status == 202
    (frame,) = await rows(pool, "SELECT * FROM dashboard.frames")
    assert (frame["chain_state"], frame["stream"], frame["seq"]) == ("unchained", None, None)


async def test_event_without_attributes_is_at_most_700_bytes(camera: Sender) -> None:
    camera.frame()
    assert len(json.dumps(camera.frame(), separators=(",", ":"))) <= 700


async def test_full_queue_is_answered_429_with_retry_after(
    start_dashboard: StartDashboard, pool: Pool
) -> None:
    client = await start_dashboard(commit_queue_events=1)
    camera = await enrolled(pool, client, signer=HmacKey.generate())
    # A lock that the commit waits for: what comes meanwhile finds the queue full.
    async with pool.acquire() as other, other.transaction():
        await other.execute("LOCK TABLE dashboard.frames IN ACCESS EXCLUSIVE MODE")
        under_way = [asyncio.create_task(camera.send(camera.unchained())) for _ in range(8)]
        done, _ = await asyncio.wait(under_way, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        answer = done.pop().result()
        assert (answer.status, answer.reason) == (429, "BUSY")
        assert int(answer.headers["Retry-After"]) >= 1
    answers = await asyncio.gather(*under_way)
    accepted = sum(1 for answer in answers if answer.status == 202)
    assert accepted >= 1
    assert await count(pool, "SELECT count(*) FROM dashboard.frames") == accepted
