"""The cumulative acknowledgement and the list of what is wanted, in every order of events."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboard_gateway import cameras, settlement
from dashboard_gateway.cameras import Camera, Enrolment
from dashboard_gateway.deliveries import Delivery, Reading
from dashboard_gateway.intake import Intake
from dashboard_gateway.settlement import merged
from dashboard_gateway.sorting import Taken
from pinhole.contract.cid import Cid
from pinhole.contract.event import source_of
from pinhole.contract.ids import uuid7
from pinhole.contract.receipt import MAX_WANTED
from pinhole.contract.signing import Ed25519Signer
from pinhole.runtime.postgres import Connection, Pool

JsonObject = dict[str, Any]
LAST_SEQ = 12
SETTLED_BYTES = ("pinned", "missing", "invalid", "erased")

Act = tuple[str, int]
ACTS = st.lists(
    st.tuples(
        st.sampled_from(("come", "come", "come", "reject", "lose", *SETTLED_BYTES)),
        st.integers(1, LAST_SEQ),
    ),
    max_size=30,
)


async def new_camera(pool: Pool) -> Camera:
    name = uuid7().hex  # `random` is seeded by hypothesis: names would come again
    await cameras.enrol(pool, Enrolment("city", name, (Ed25519Signer.generate().public,)))
    camera = await cameras.find(pool, "city", name)
    assert camera is not None
    return camera


def captured(source: str, stream: UUID, seq: int, **changes: Any) -> JsonObject:
    data = {"stream": str(stream), "seq": seq, "size_bytes": 10}
    if seq > 1:
        data["prev"] = "00" * 32
    return {
        "specversion": "1.0",
        "id": str(uuid7()),
        "source": source,
        "type": "pinhole.frame.captured.v1",
        "time": datetime.now(UTC).isoformat(),
        "subject": str(Cid.of(f"{stream}{seq}".encode())),
        "data": {**data, **changes},
    }


def lost(source: str, stream: UUID, first_seq: int, last_seq: int) -> JsonObject:
    return {
        "specversion": "1.0",
        "id": str(uuid7()),
        "source": source,
        "type": "pinhole.frame.lost.v1",
        "time": datetime.now(UTC).isoformat(),
        "data": {
            "stream": str(stream),
            "first_seq": first_seq,
            "last_seq": last_seq,
            "reason": "fire",
        },
    }


def delivery(camera: Camera, events: Iterable[JsonObject]) -> Delivery:
    reading, now = Reading(camera), datetime.now(UTC)
    for index, event in enumerate(events):
        reading.add(index, event)
    headers = {"webhook-id": "msg"}
    return Delivery(
        camera, headers, b"[]", now, now, tuple(reading.events), tuple(reading.refusals)
    )


async def taken_in(pool: Pool, camera: Camera, events: Iterable[JsonObject]) -> Taken:
    async with pool.acquire() as connection, connection.transaction():
        (taken,) = await Intake(timedelta(days=30)).take_in(connection, [delivery(camera, events)])
    return taken


@dataclass
class Model:
    """What a camera may know of its stream, kept the slow way."""

    known: set[int] = field(default_factory=set)
    frames: dict[int, str] = field(default_factory=dict)

    def through(self) -> int:
        """Return the end of what is settled from the beginning."""
        seq = 0
        while seq + 1 in self.known and self.frames.get(seq + 1) != "awaited":
            seq += 1
        return seq

    def wanted(self) -> list[int]:
        return sorted(seq for seq, state in self.frames.items() if state == "missing")

    def event(self, act: Act, source: str, stream: UUID) -> JsonObject | None:
        """Let `act` happen; return the event that tells the hub of it, if the camera does."""
        what, seq = act
        if what == "lose":
            last_seq = min(seq + 2, LAST_SEQ)
            self.known.update(range(seq, last_seq + 1))
            for within in range(seq, last_seq + 1):
                if self.frames.get(within) in ("awaited", "missing"):
                    self.frames[within] = "lost"
            return lost(source, stream, seq, last_seq)
        if seq in self.known:
            return None
        self.known.add(seq)
        if what == "reject":
            return captured(source, stream, seq, media_type="text/html")
        self.frames[seq] = "awaited"
        return captured(source, stream, seq)


SETTLE = """
    UPDATE dashboard.frames SET bytes_state = $3::dashboard.bytes_state
    WHERE stream = $1 AND seq = $2
"""


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(acts=ACTS)
async def test_acknowledgement_is_right_after_every_step_in_any_order(
    pool: Pool, acts: list[Act]
) -> None:
    camera, stream, model, before = await new_camera(pool), uuid7(), Model(), 0
    source = source_of(camera.site, camera.name)
    for act in acts:
        what, seq = act
        events = []
        if what in SETTLED_BYTES:
            if model.frames.get(seq) not in ("awaited", "missing"):
                continue
            model.frames[seq] = what
            await pool.execute(SETTLE, stream, seq, what)
        else:
            event = model.event(act, source, stream)
            events = [event] if event is not None else []
        # A heartbeat, as it were: what the next answer says.
        events.append(lost(source, stream, 900, 900))
        taken = await taken_in(pool, camera, events)
        through = taken.pinned_through[stream]
        assert through == model.through()
        assert through >= before, "an acknowledgement was taken back"
        assert [entry.seq for entry in taken.wanted] == model.wanted()
        before = through


async def test_events_that_came_backwards_are_acknowledged_when_the_first_is_there(
    pool: Pool,
) -> None:
    camera, stream = await new_camera(pool), uuid7()
    for seq in range(50, 1, -1):
        taken = await taken_in(pool, camera, [captured(camera.source, stream, seq)])
        assert taken.pinned_through == {stream: 0}
    await pool.execute("UPDATE dashboard.frames SET bytes_state = 'pinned'")
    taken = await taken_in(pool, camera, [captured(camera.source, stream, 1)])
    assert taken.pinned_through == {stream: 0}
    await pool.execute("UPDATE dashboard.frames SET bytes_state = 'pinned'")
    taken = await taken_in(pool, camera, [lost(camera.source, stream, 51, 51)])
    assert taken.pinned_through == {stream: 51}


async def test_what_is_missing_beyond_500_is_not_acknowledged(pool: Pool) -> None:
    camera, stream = await new_camera(pool), uuid7()
    for first in (1, 301):
        events = [captured(camera.source, stream, seq) for seq in range(first, first + 300)]
        await taken_in(pool, camera, events)
    await pool.execute("UPDATE dashboard.frames SET bytes_state = 'missing' WHERE seq > 40")
    await pool.execute("UPDATE dashboard.frames SET bytes_state = 'pinned' WHERE seq <= 40")
    later = uuid7()
    await taken_in(pool, camera, [captured(camera.source, later, seq) for seq in (1, 2)])
    await pool.execute("UPDATE dashboard.frames SET bytes_state = 'pinned' WHERE stream = $1 "
                       "AND seq = 1", later)  # fmt: skip
    await pool.execute("UPDATE dashboard.frames SET bytes_state = 'missing' WHERE stream = $1 "
                       "AND seq = 2", later)  # fmt: skip
    taken = await taken_in(
        pool,
        camera,
        [lost(camera.source, stream, 601, 601), lost(camera.source, later, 3, 3)],
    )
    assert [entry.seq for entry in taken.wanted[:MAX_WANTED]] == list(range(41, 541))
    # 541 of the first stream and 2 of the later one are missing, and the list is full.
    assert taken.pinned_through == {stream: 540, later: 1}


AWAITED = """
    SELECT min(seq) FROM dashboard.frames
    WHERE stream = $1 AND bytes_state = 'awaited' AND seq > 0
"""
MISSING = """
    SELECT seq FROM dashboard.frames
    WHERE camera_id = 1 AND stream = $1 AND bytes_state = 'missing' ORDER BY stream, seq LIMIT 501
"""


async def test_settled_frames_are_not_looked_at(pool: Pool) -> None:
    camera, stream = await new_camera(pool), uuid7()
    await taken_in(pool, camera, [captured(camera.source, stream, 1)])
    async with pool.acquire() as connection:
        await connection.execute("SET enable_seqscan = off")
        assert "frames_awaited" in await plan(connection, AWAITED, stream)
        assert "frames_missing" in await plan(connection, MISSING, stream)


async def plan(connection: Connection, query: str, *values: object) -> str:
    return "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {query}", *values))


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ([], ()),
        ([(3, 3), (1, 2)], ((1, 3),)),
        ([(5, 9), (1, 2), (2, 3)], ((1, 3), (5, 9))),
        ([(1, 9), (2, 3)], ((1, 9),)),
    ],
)
def test_ranges_merge_where_they_touch(
    ranges: list[tuple[int, int]], expected: tuple[tuple[int, int], ...]
) -> None:
    assert merged(ranges) == expected


def test_a_stream_knows_the_ends_of_its_ranges_and_nothing_between() -> None:
    stream = settlement.Stream(uuid7(), 1, ((1, 3), (7, 7)), 7, None)
    assert [seq for seq in range(10) if stream.knows(seq)] == [1, 2, 3, 7]
