"""Lists of many pins: what a plain reading of all would find, from few pages of an index."""

import asyncio
import importlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from bench import pinset
from pinhole.contract.cid import Cid
from pinhole.contract.owners import Owner
from pinhole.contract.pins import Status
from pinhole.runtime.migrations import migrate
from pinhole.runtime.postgres import Pool, create_pool
from pinning import listing, walks
from pinning.filters import Filter, Match
from pinning.listing import page
from pinning.store import StoredPin
from tests.pinning.conftest import Caller, Service, frame
from tests.support.plans import generic_nodes

PINNED = [Status.PINNED]
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)

FILTERS: dict[str, Filter] = {
    "everything": Filter(statuses=list(Status)),
    "the pinned ones": Filter(statuses=PINNED),
    "those that are not": Filter(statuses=[Status.QUEUED, Status.PINNING, Status.FAILED]),
    "two statuses": Filter(statuses=[Status.PINNED, Status.FAILED]),
    "cids": Filter(statuses=PINNED, cids=[Cid.of(b"777"), Cid.of(b"2000"), Cid.of(b"none")]),
    "a name": Filter(statuses=PINNED, name="gate-7/frame-1007.jpg"),
    "a name in other letters": Filter(
        statuses=PINNED, name="GATE-7/frame-1007.JPG", match=Match.IEXACT
    ),
    "a name in other letters, exactly": Filter(statuses=PINNED, name="GATE-7/frame-1007.jpg"),
    "a common part": Filter(statuses=PINNED, name="frame-", match=Match.PARTIAL),
    "a rare part": Filter(statuses=PINNED, name="frame-107", match=Match.PARTIAL),
    "a rare part in other letters": Filter(statuses=PINNED, name="FRAME-107", match=Match.IPARTIAL),
    "two characters": Filter(statuses=PINNED, name="77", match=Match.PARTIAL),
    "one that is nowhere": Filter(statuses=PINNED, name="ż", match=Match.IPARTIAL),
    "a part that is empty": Filter(statuses=PINNED, name="", match=Match.PARTIAL),
    "what all have": Filter(statuses=PINNED, meta={"kind": "frame"}),
    "some": Filter(statuses=PINNED, meta={"camera_id": "gate-7"}),
    "two of some": Filter(statuses=PINNED, meta={"camera_id": "gate-7", "label_status": "unsure"}),
    "what no pin has": Filter(statuses=PINNED, meta={"camera_id": "gate-7", "kind": "plate"}),
    "some, and not pinned": Filter(statuses=[Status.FAILED], meta={"kind": "frame"}),
    "an empty meta": Filter(statuses=PINNED, meta={}),
    "an age": Filter(
        statuses=PINNED,
        before=BEGIN + timedelta(seconds=7 * 2500),
        after=BEGIN + timedelta(seconds=7 * 500),
        meta={"label_status": "changed"},
    ),
    "all at once": Filter(
        statuses=PINNED,
        cids=[Cid.of(b"777")],
        name="GATE",
        match=Match.IPARTIAL,
        meta={"kind": "frame"},
        before=BEGIN + timedelta(days=1),
    ),
}

# Those for which no more than a thousand pins have to be looked at.
COUNTED = {"those that are not", "cids", "a name", "a name in other letters", "one that is nowhere"}
COUNTED |= {"some", "two of some", "all at once"}


@pytest.fixture
async def filled(pool: Pool) -> Pool:
    """3,000 pins: more than are counted, of which some filters select less."""
    async with pool.acquire() as connection:
        await pinset.fill(connection, 3_000)
    return pool


def _selects(wanted: Filter) -> Callable[[StoredPin], bool]:
    """Return what the specification's words say, over a pin that is read already."""
    matches: dict[Match, Callable[[str, str], bool]] = {
        Match.EXACT: lambda name, part: name == part,
        Match.IEXACT: lambda name, part: name.lower() == part.lower(),
        Match.PARTIAL: lambda name, part: part in name,
        Match.IPARTIAL: lambda name, part: part.lower() in name.lower(),
    }

    def selects(pin: StoredPin) -> bool:
        return (
            (wanted.cids is None or pin.want.cid in wanted.cids)
            and (wanted.name is None or matches[wanted.match](pin.name or "", wanted.name))
            and pin.outcome.status in (wanted.statuses or ())
            and (wanted.before is None or pin.created_at < wanted.before)
            and (wanted.after is None or pin.created_at > wanted.after)
            and (wanted.meta or {}).items() <= pin.meta.items()
        )

    return selects


async def test_every_filter_finds_what_a_plain_reading_finds(filled: Pool) -> None:
    rows = await filled.fetch("SELECT * FROM pinning.pins ORDER BY created_at DESC")
    everything = [StoredPin.of(row) for row in rows]
    assert len(everything) == 3_000
    for name, wanted in FILTERS.items():
        selected = list(filter(_selects(wanted), everything))
        found = await page(filled, pinset.OWNER, wanted)
        assert found.pins == selected[: wanted.limit], name
        if found.is_exact:
            assert found.count == len(selected), name
        else:
            assert found.count > wanted.limit, name
        if name in COUNTED:
            assert found.is_exact, name


async def test_an_estimated_count_is_near_the_truth(filled: Pool) -> None:
    for name, truth in (("the pinned ones", 2_994), ("some", 60), ("what all have", 2_994)):
        found = await page(filled, pinset.OWNER, FILTERS[name])
        assert truth * 0.8 <= found.count <= truth * 1.2, name


async def test_pins_of_another_owner_are_never_in_a_list(filled: Pool) -> None:
    for name, wanted in FILTERS.items():
        assert (await page(filled, Owner.token("other"), wanted)).count == 0, name


async def test_paging_by_each_filter_shows_every_pin_once(filled: Pool) -> None:
    for name in ("the pinned ones", "what all have", "some", "a rare part", "two of some"):
        wanted = Filter(**{**FILTERS[name].__dict__, "limit": 250})
        seen: list[StoredPin] = []
        while True:
            found = await page(filled, pinset.OWNER, wanted)
            seen += found.pins
            if found.count == len(found.pins):  # as Kubo's client decides
                break
            wanted = Filter(**{**wanted.__dict__, "before": found.pins[-1].created_at})
        rows = await filled.fetch("SELECT * FROM pinning.pins ORDER BY created_at DESC")
        selects = _selects(FILTERS[name])
        assert seen == [pin for row in rows if selects(pin := StoredPin.of(row))], name


async def test_the_newest_pinned_are_found_behind_any_number_that_wait(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await pinset.fill(connection, 3_000)
        await connection.execute(
            "UPDATE pinning.pins SET status = 'queued', next_attempt_at = 'infinity'"
            " WHERE created_at > $1 AND status = 'pinned'",
            BEGIN + timedelta(seconds=7 * 100),
        )
    found = await page(pool, pinset.OWNER, Filter(statuses=PINNED))
    assert (found.count, found.is_exact) == (99, True)
    assert found.pins[0].created_at == BEGIN + timedelta(seconds=7 * 100)


FACETS = """
    SELECT facet, created_at
    FROM pinning.pins, LATERAL pinning.facets_of(owner, name, meta) AS facet
"""


async def test_facets_follow_every_change_of_a_pin(service: Service, pool: Pool) -> None:
    client = await service.client("anna")

    async def add(path: str, **pin: Any) -> str:
        _, answer = await client.call("POST", path, json={"cid": str(Cid.of(frame(50))), **pin})
        return str(answer["requestid"])

    async def agree() -> int:
        facets = set(await pool.fetch("SELECT facet, created_at FROM pinning.facets"))
        assert facets == set(await pool.fetch(FACETS))
        return len(facets)

    first = await add("/pins", name="Name", meta={"a": "1", "b": "2"})
    assert await agree() == 4  # two pairs, the name, the name in small letters
    second = await add("/pins")
    assert await agree() == 4
    body = {"patches": [{"requestids": [first, second], "merge": {"a": None, "c": "3"}}]}
    await client.call("PATCH", "/pins/meta", json=body)
    assert await agree() == 5
    first = await add(f"/pins/{first}", meta={"a": "1"})
    assert await agree() == 2
    for requestid in (first, second):
        await client.call("DELETE", f"/pins/{requestid}")
    assert await agree() == 0


OLD_PIN = """
    INSERT INTO pinning.pins (requestid, owner, cid, created_at, status, name, meta)
    VALUES (gen_random_uuid(), 'token:anna', %s, now(), 'pinned', 'old', '{"a": "1"}')
"""


def _as_of_the_first_version(dsn: str) -> None:
    """Make the tables of version 0001 with a pin in them. psycopg, as the migrations themselves."""
    first = importlib.import_module("pinning.migrations.versions.0001_pins")
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE SCHEMA pinning")
        for statements in (first.BLOCKS, first.PINS, first.INDEXES, first.ORIGINS):
            connection.execute(statements)
        connection.execute("CREATE TABLE pinning.alembic_version (version_num varchar(32))")
        connection.execute("INSERT INTO pinning.alembic_version VALUES ('0001')")
        connection.execute(OLD_PIN, [Cid.of(b"").binary])


async def test_pins_of_the_first_version_stay_and_are_listed_after_the_upgrade(
    empty_postgres_dsn: str,
) -> None:
    await asyncio.to_thread(_as_of_the_first_version, empty_postgres_dsn)
    await asyncio.to_thread(migrate, empty_postgres_dsn, "pinning.migrations", "pinning")
    async with await create_pool(empty_postgres_dsn) as pool:
        for wanted in (
            Filter(statuses=PINNED, meta={"a": "1"}),
            Filter(statuses=PINNED, name="old"),
            Filter(statuses=PINNED, name="ol", match=Match.PARTIAL),
        ):
            assert (await page(pool, Owner.token("anna"), wanted)).count == 1


# What each walk serves, and the index that it comes from; its rows are read by (owner, instant).
WALKS: list[tuple[str, Filter, str]] = [
    (walks.OF_OWNER, Filter(statuses=list(Status)), "pins_owner_created_at_key"),
    (
        walks.OF_OWNER,
        Filter(statuses=[Status.PINNED, Status.FAILED]),
        "pins_owner_created_at_key",
    ),
    (walks.OF_PINNED, Filter(statuses=PINNED), "pins_pinned"),
    (walks.OF_PINNED, FILTERS["a common part"], "pins_pinned"),
    (walks.OF_UNFINISHED, FILTERS["those that are not"], "pins_not_pinned"),
    (walks.OF_CIDS, FILTERS["cids"], "pins_cid_owner_batch_key_key"),
    (walks.OF_FACET, FILTERS["some"], "facets_pkey"),
    (walks.OF_FACET, FILTERS["a name in other letters"], "facets_pkey"),
    (walks.OF_GRAMS, FILTERS["a rare part"], "pins_grams"),
]


async def test_every_list_comes_from_its_index_when_the_table_is_filled(
    postgres_dsn: str, pool: Pool
) -> None:
    async with pool.acquire() as connection:
        await pinset.fill(connection, 30_000)
    for sql, wanted, index in WALKS:
        statement = listing.statement(walks.Walk(sql), wanted)
        used = await asyncio.to_thread(generic_nodes, postgres_dsn, statement)
        assert used == {index, "pins_owner_created_at_key"}, (index, wanted)
    rarest = await asyncio.to_thread(generic_nodes, postgres_dsn, walks.RAREST)
    assert rarest == {"facets_pkey"}


async def test_the_answer_says_whether_its_count_was_counted(service: Service) -> None:
    client = await service.client("archive")
    async with service.pool.acquire() as connection:
        await pinset.fill(connection, 2_000)
    for query, said in (("", "estimate"), ("?status=failed", "exact")):
        async with client.session.get(f"{client.base}/pins{query}", headers=client.headers) as got:
            assert got.headers["Pinhole-Count"] == said


async def _page_through(client: Caller, limit: int) -> list[str]:
    seen: list[str] = []
    query = f"?limit={limit}"
    while True:
        status, answer = await client.call("GET", f"/pins{query}")
        assert status == 200
        seen += [result["requestid"] for result in answer["results"]]
        if answer["count"] == len(answer["results"]):
            return seen
        query = f"?limit={limit}&before={answer['results'][-1]['created']}"


async def test_a_client_pages_through_hundreds_and_sees_each_once(service: Service) -> None:
    client = await service.client("archive")
    async with service.pool.acquire() as connection:
        await pinset.fill(connection, 1_234)
    for limit in (10, 200, 1_000):
        assert len(set(seen := await _page_through(client, limit))) == len(seen) == 1_231
