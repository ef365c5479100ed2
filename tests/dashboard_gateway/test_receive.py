"""The webhook."""

from pinhole.runtime.postgres import Pool
from tests.dashboard_gateway.sending import Sender, rows


async def test_event_is_stored_with_its_evidence_and_its_job_before_it_is_acknowledged(
    camera: Sender, pool: Pool
) -> None:
    event = camera.frame(attributes={"plate": "B-XY 123", "confidence": 0.93})
    answer = await camera.send(event)
    assert answer.status == 202, answer.body
    print(answer.body)
    print(await rows(pool, "SELECT * FROM dashboard.frames"))
    print(await rows(pool, "SELECT * FROM dashboard.streams"))
    print(await rows(pool, "SELECT * FROM dashboard.pgqueuer"))
    print(await rows(pool, "SELECT * FROM dashboard.deliveries"))
    assert 0
