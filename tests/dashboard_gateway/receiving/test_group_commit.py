"""Group commit: 202 means durable, all or nothing, and one bad delivery is one's own."""

import asyncio
import itertools
from contextlib import suppress

import aiohttp

from pinhole.contract.signing import HmacKey
from pinhole.runtime.postgres import Pool
from tests.dashboard_gateway.receiving.conftest import StartDashboard
from tests.dashboard_gateway.receiving.processes import dashboard
from tests.dashboard_gateway.receiving.sending import (
    Answer,
    Client,
    JsonObject,
    Sender,
    count,
    enrolled,
    rows,
)
from tests.support.databases import Databases
from tests.support.outages import no_postgres
from tests.support.polling import Eventually


async def senders(pool: Pool, client: Client, number: int) -> list[Sender]:
    return [
        await enrolled(pool, client, f"camera-{n}", signer=HmacKey.generate())
        for n in range(number)
    ]


async def test_events_of_concurrent_requests_are_committed_together(
    pool: Pool, receiving: Client
) -> None:
    cameras = await senders(pool, receiving, 8)
    answers = await asyncio.gather(*(c.send(c.unchained()) for c in cameras for _ in range(10)))
    assert {answer.status for answer in answers} == {202}
    # A row's xmin is the transaction that wrote it.
    commits = await count(pool, "SELECT count(DISTINCT xmin::text) FROM dashboard.frames")
    assert await count(pool, "SELECT count(*) FROM dashboard.frames") == 80
    assert commits <= 40


REFUSE_JOBS = """
    CREATE FUNCTION pg_temp_refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'no job today'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON dashboard.pgqueuer
        FOR EACH ROW EXECUTE FUNCTION pg_temp_refuse();
"""


async def test_frame_whose_job_cannot_be_written_is_not_there_either(
    camera: Sender, pool: Pool
) -> None:
    await pool.execute(REFUSE_JOBS)
    answer = await camera.send(camera.frame())
    assert (answer.status, answer.reason) == (503, "DATABASE_UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) >= 1
    left = """
        SELECT (SELECT count(*) FROM dashboard.frames) + (SELECT count(*) FROM dashboard.deliveries)
            + (SELECT count(*) FROM dashboard.streams)
    """
    assert await count(pool, left) == 0
    await pool.execute("DROP TRIGGER refuse ON dashboard.pgqueuer")


REFUSE_ONE = """
    ALTER TABLE dashboard.frames ADD CONSTRAINT no_poison
        CHECK (attributes ->> 'text' IS DISTINCT FROM 'poison')
"""


async def test_delivery_that_cannot_be_stored_fails_alone(pool: Pool, receiving: Client) -> None:
    await pool.execute(REFUSE_ONE)
    cameras = await senders(pool, receiving, 12)
    texts = ["poison" if n == 5 else "fine" for n in range(12)]
    answers = await asyncio.gather(
        *(
            camera.send(camera.unchained(attributes={"text": text}))
            for camera, text in zip(cameras, texts, strict=True)
        )
    )
    assert [answer.status for answer in answers] == [202] * 5 + [422] + [202] * 6
    assert answers[5].reason == "UNSTORABLE"
    assert await count(pool, "SELECT count(*) FROM dashboard.frames") == 11


async def test_two_workers_that_get_the_same_events_at_once_keep_each_once(
    start_dashboard: StartDashboard, pool: Pool
) -> None:
    one, other = await start_dashboard(), await start_dashboard()
    camera = await enrolled(pool, one)
    events = [camera.frame() for _ in range(30)] + [camera.unchained() for _ in range(30)]
    twin = Sender(other, camera.signer, camera.site, camera.name)
    answers = await asyncio.gather(
        *(sender.send(event) for event in events for sender in (camera, twin))
    )
    assert {answer.status for answer in answers} == {202}
    assert sum(answer.receipt.accepted for answer in answers) == 60
    assert sum(answer.receipt.duplicates for answer in answers) == 60
    assert await count(pool, "SELECT count(*) FROM dashboard.frames") == 60


async def test_outage_of_postgres_is_answered_503_and_shown_and_passes(
    *,
    pool: Pool,
    receiving: Client,
    camera: Sender,
    postgres_dsn: str,
    postgres_databases: Databases,
    eventually: Eventually,
) -> None:
    event = camera.frame()
    await camera.send(event)
    async with no_postgres(postgres_databases, postgres_dsn):
        answer = await camera.send(camera.frame())
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) >= 1
        async with receiving.get("/healthz") as response:
            assert response.status == 503
            assert (await response.json())["parts"]["postgres"] != "ok"

    async def accepted() -> bool:
        return (await camera.send(event)).status == 202

    await eventually(accepted)

    async def healthy() -> bool:
        async with receiving.get("/healthz") as response:
            return response.status == 200

    await eventually(healthy)


async def test_commit_that_does_not_end_turns_the_health_red_until_one_does(
    start_dashboard: StartDashboard, pool: Pool, eventually: Eventually
) -> None:
    client = await start_dashboard(commit_timeout_s=0.5)
    camera = await enrolled(pool, client)

    async def commit_part() -> str:
        async with client.get("/healthz") as response:
            return str((await response.json())["parts"]["commit"])

    async with pool.acquire() as other, other.transaction():
        await other.execute("LOCK TABLE dashboard.frames IN ACCESS EXCLUSIVE MODE")
        answer = await camera.send(camera.frame())
        assert (answer.status, answer.reason) == (503, "DATABASE_UNAVAILABLE")
        # Both what failed and the look whether it would again say "nothing".
        assert "nothing" in await commit_part()

    async def is_green() -> bool:
        return await commit_part() == "ok"

    # Without anybody sending: a quiet night must not stay red.
    await eventually(is_green)
    camera.seq, camera.head = 0, None
    assert (await camera.send(camera.frame())).status == 202


async def test_whatever_was_acknowledged_before_a_kill_is_there_and_repeats_double_nothing(
    pool: Pool, postgres_dsn: str, eventually: Eventually
) -> None:
    acknowledged: set[str] = set()
    sent: list[tuple[Sender, JsonObject]] = []
    async with aiohttp.ClientSession() as session:

        async def stream(camera: Sender) -> None:
            for _ in itertools.count():
                event = camera.frame()
                sent.append((camera, event))
                if (await camera.send(event)).status == 202:
                    acknowledged.add(event["id"])

        async with dashboard("serve", postgres_dsn=postgres_dsn) as (process, url):
            cameras = [await _sender(pool, session, url, n) for n in range(8)]
            streaming = [asyncio.create_task(stream(camera)) for camera in cameras]
            await eventually(lambda: len(acknowledged) > 100, 30)
            process.kill()
            for task in streaming:
                with suppress(aiohttp.ClientError):
                    await task
        stored = await rows(pool, "SELECT event_id FROM dashboard.frames")
        assert acknowledged <= {str(row["event_id"]) for row in stored}
        async with dashboard("serve", postgres_dsn=postgres_dsn) as (_, url):
            answers: list[Answer] = []
            for camera, event in sent:
                camera.base = url
                answers.append(await camera.send(event))
        assert {answer.status for answer in answers} == {202}
        assert sum(answer.receipt.duplicates for answer in answers) >= len(acknowledged)
    assert await count(pool, "SELECT count(*) FROM dashboard.frames") == len(sent)
    jobs = await rows(pool, "SELECT payload FROM dashboard.pgqueuer WHERE entrypoint = 'frames'")
    named = [part for job in jobs for part in bytes(job["payload"]).decode().split(",")]
    assert len(named) == len(set(named)) == len(sent), "a frame has no job, or two"
    broken = "SELECT count(*) FROM dashboard.frames WHERE chain_state <> 'verified'"
    assert await count(pool, broken) == 0


async def _sender(pool: Pool, session: aiohttp.ClientSession, url: str, number: int) -> Sender:
    camera = await enrolled(pool, session, f"camera-{number}", signer=HmacKey.generate())
    camera.base = url
    return camera
