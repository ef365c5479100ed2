"""The camera's durable memory: real SQLite files."""

import itertools
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from camera_uploader import events
from camera_uploader.frame import Frame, Mark, Refusal, RefusalReason
from camera_uploader.spool.database import DATABASE, SpoolUnavailable, SpoolUnusable, read_only
from camera_uploader.spool.events import Spooled
from camera_uploader.spool.items import LISTED_REFUSALS
from camera_uploader.spool.spool import Spool
from pinhole.contract.cid import Cid
from pinhole.contract.event import FrameCaptured, digest, parse_event
from pinhole.contract.receipt import Rejected
from tests.camera_uploader.edge import SOURCE

_AT = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def _frame(data: bytes, mark: Mark | None = None, at: datetime = _AT) -> Frame:
    return Frame(
        data=data,
        cid=Cid.of(data),
        media_type="image/jpeg",
        width_px=640,
        height_px=480,
        captured_at=at,
        mark=mark,
    )


def _append(spool: Spool, data: bytes, mark: Mark | None = None) -> Spooled:
    frame = _frame(data, mark)
    return spool.events.append(frame, events.captured(SOURCE, frame, 120))


def _fill(spool: Spool, count: int) -> list[int]:
    return [_append(spool, b"frame %d" % number).seq for number in range(count)]


def _states(spool: Spool) -> dict[int, str]:
    with read_only(spool.directory) as connection:
        return dict(connection.execute("SELECT seq, state FROM event ORDER BY seq").fetchall())


def test_events_are_chained_without_a_gap(spool: Spool) -> None:
    bodies = [_append(spool, b"frame %d" % number).body for number in range(5)]

    received = [json.loads(body) for body in bodies]
    parsed = [parse_event(event) for event in received]
    assert all(isinstance(event, FrameCaptured) for event in parsed)
    assert [event["data"]["seq"] for event in received] == [1, 2, 3, 4, 5]
    assert {event["data"]["stream"] for event in received} == {str(spool.stream)}
    assert "prev" not in received[0]["data"]
    for before, after in itertools.pairwise(received):
        assert after["data"]["prev"] == digest(before).hex()


def test_an_event_says_what_the_frame_is(spool: Spool) -> None:
    event = parse_event(json.loads(_append(spool, b"frame").body))

    assert isinstance(event, FrameCaptured)
    assert event.subject == Cid.of(b"frame")
    assert event.time == _AT
    assert event.source == SOURCE
    assert event.data.size_bytes == 5
    assert event.data.clock_offset_ms == 120


def test_the_chain_goes_on_after_a_restart_with_the_same_bytes(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    stream, (first, second) = spool.stream, [_append(spool, b"a"), _append(spool, b"b")]
    spool.close()

    again = Spool(tmp_path)
    third = _append(again, b"c")

    assert again.stream == stream
    assert again.events.unsent(10) == [first, second, third]
    prev = json.loads(third.body)["data"]["prev"]
    assert prev == digest(json.loads(second.body)).hex()
    again.close()


def test_a_new_spool_is_a_new_stream_made_now(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    first, second = Spool(tmp_path / "1"), Spool(tmp_path / "2")

    assert first.stream != second.stream
    assert isinstance(first.stream, UUID)
    # The first 48 bits of a UUIDv7 are the milliseconds since 1970 (RFC 9562 §5.7).
    made_at = datetime.fromtimestamp((first.stream.int >> 80) / 1000, UTC)
    assert abs(made_at - before) < timedelta(minutes=1)
    first.close()
    second.close()


def test_identical_frames_are_events_of_their_own_and_counted(spool: Spool) -> None:
    for data in (b"same", b"other", b"same", b"same"):
        _append(spool, data)

    counts = spool.events.counts()
    assert (counts.last_seq, counts.duplicates) == (4, 2)
    assert set(spool.events.cids()) == {Cid.of(b"same"), Cid.of(b"other")}


def test_a_delivery_makes_events_sent_and_rejected_ones_visible(spool: Spool) -> None:
    seqs = _fill(spool, 4)

    rejected = Rejected(index=1, reason="MALFORMED_EVENT", details="data.seq: too odd")
    spool.events.record_delivery(seqs[:3], [rejected])

    assert _states(spool) == {1: "sent", 2: "rejected", 3: "sent", 4: "unsent"}
    (event,) = spool.events.rejected()
    assert (event.seq, event.reason, event.details) == (2, "MALFORMED_EVENT", "data.seq: too odd")
    assert event.cid == Cid.of(b"frame 1")
    assert [event.seq for event in spool.events.unsent(10)] == [4]


def test_a_rejection_of_an_event_that_was_not_sent_is_ignored(spool: Spool) -> None:
    seqs = _fill(spool, 2)

    spool.events.record_delivery(seqs, [Rejected(index=7, reason="X", details="x")])

    assert _states(spool) == {1: "sent", 2: "sent"}


def test_an_acknowledgement_settles_what_was_sent_and_nothing_else(spool: Spool) -> None:
    spool.events.record_delivery(_fill(spool, 5)[:3], [])

    spool.events.settle(5, [])

    assert _states(spool) == {1: "settled", 2: "settled", 3: "settled", 4: "unsent", 5: "unsent"}
    assert spool.events.counts().pinned_through == 3


def test_what_is_wanted_is_not_settled_until_it_is_no_longer_wanted(spool: Spool) -> None:
    spool.events.record_delivery(_fill(spool, 3), [])

    spool.events.settle(3, [(2, Cid.of(b"frame 1"))])
    assert _states(spool) == {1: "settled", 2: "sent", 3: "settled"}
    assert [block.seq for block in spool.events.wanted()] == [2]

    spool.events.settle(3, [])
    assert _states(spool) == {1: "settled", 2: "settled", 3: "settled"}
    assert spool.events.wanted() == []


def test_a_settled_event_that_is_wanted_again_is_no_longer_settled(spool: Spool) -> None:
    spool.events.record_delivery(_fill(spool, 2), [])
    spool.events.settle(2, [])

    spool.events.settle(2, [(1, Cid.of(b"frame 0"))])

    assert _states(spool) == {1: "sent", 2: "settled"}


def test_wishes_for_what_is_not_ours_are_left_out(spool: Spool) -> None:
    spool.events.record_delivery(_fill(spool, 2)[:1], [])

    foreign = (1, Cid.of(b"a frame of somebody else"))
    unknown = (99, Cid.of(b"frame 0"))
    unsent = (2, Cid.of(b"frame 1"))
    spool.events.settle(1, [foreign, unknown, unsent])

    assert spool.events.wanted() == []


def test_a_lower_acknowledgement_takes_nothing_back(spool: Spool) -> None:
    spool.events.record_delivery(_fill(spool, 3), [])
    spool.events.settle(3, [])

    spool.events.settle(1, [])

    assert set(_states(spool).values()) == {"settled"}
    assert spool.events.counts().pinned_through == 3


def test_a_mark_is_set_in_the_commit_of_its_frame(spool: Spool) -> None:
    mark = Mark("dir:/x", b"caf\xe9.jpg", "5:1")

    _append(spool, b"frame", mark)

    assert spool.items.taken_version("dir:/x", b"caf\xe9.jpg") == "5:1"
    assert spool.items.taken_version("dir:/y", b"caf\xe9.jpg") is None


def test_a_frame_that_cannot_be_written_leaves_no_mark_and_no_gap(spool: Spool) -> None:
    frame = _frame(b"frame", Mark("dir:/x", b"a.jpg", "5:1"))
    make_body = events.captured(SOURCE, frame, None)
    spool._database._connection.execute("PRAGMA max_page_count = 1")

    def fill() -> None:
        for _ in range(1000):  # the last page has room for some rows
            spool.events.append(frame, make_body)

    with pytest.raises(SpoolUnavailable, match="full"):
        fill()

    written = spool.events.head.seq
    spool._database._connection.execute("PRAGMA max_page_count = 1000000")
    assert _append(spool, b"next").seq == written + 1
    chain = [json.loads(event.body) for event in spool.events.unsent(2000)]
    assert [event["data"]["seq"] for event in chain] == list(range(1, written + 2))


def test_refusals_stay_visible_until_the_file_is_taken_after_all(spool: Spool) -> None:
    mark = Mark("dir:/x", b"a.jpg", "0:1")
    refusal = Refusal(
        reason=RefusalReason.EMPTY, details="0 bytes", at=_AT, mark=mark, size_bytes=0
    )

    spool.items.refuse(refusal)
    assert spool.items.refusals() == [refusal]
    assert spool.items.refused_version("dir:/x", b"a.jpg") == "0:1"

    _append(spool, b"frame", Mark("dir:/x", b"a.jpg", "5:2"))
    assert spool.items.refusals() == []
    assert spool.events.counts().refused == 1


def test_refusals_that_are_no_files_are_counted_and_bounded(spool: Spool) -> None:
    for _ in range(LISTED_REFUSALS + 5):
        spool.items.refuse(Refusal(reason=RefusalReason.TOO_LARGE, details="3 MB", at=_AT))

    assert spool.events.counts().refused == LISTED_REFUSALS + 5
    assert len(spool.items.refusals(limit=5000)) == LISTED_REFUSALS


def test_counts_tell_the_oldest_unsent_frame(spool: Spool) -> None:
    assert spool.events.counts().oldest_unsent_at is None

    spool.events.record_delivery(_fill(spool, 3)[:1], [])

    counts = spool.events.counts()
    assert (counts.unsent, counts.sent, counts.last_seq) == (2, 1, 3)
    assert counts.oldest_unsent_at == _AT


def test_the_clock_offset_survives_a_restart(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    assert spool.clock_offset_ms() is None
    spool.remember_clock_offset(-31_536_000_000)
    spool.close()

    again = Spool(tmp_path)
    assert again.clock_offset_ms() == -31_536_000_000
    again.close()


def test_two_cameras_cannot_use_one_spool(spool: Spool) -> None:
    with pytest.raises(SpoolUnusable, match="in use by process"):
        Spool(spool.directory)


def test_a_spool_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    Spool(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection:
        connection.execute("PRAGMA user_version = 99")

    with pytest.raises(SpoolUnusable, match="version 99"):
        Spool(tmp_path)


def test_a_damaged_spool_is_said_in_one_sentence_and_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"not a database, but long enough to look at" * 100)

    with pytest.raises(SpoolUnusable, match="damaged"):
        Spool(tmp_path)

    assert (tmp_path / DATABASE).read_bytes().startswith(b"not a database")


def test_a_spool_in_an_impossible_place_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(SpoolUnusable, match="unusable"):
        Spool(tmp_path / "file" / "spool")


def test_unsent_events_and_counts_are_found_by_an_index(spool: Spool) -> None:
    plans = []
    with read_only(spool.directory) as connection:
        for query in (spool.events._UNSENT.replace("?", "5"), spool.events._COUNTS):
            plans += [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")]

    assert [plan for plan in plans if plan.startswith("SCAN event") and "INDEX" not in plan] == []


def test_every_commit_of_an_event_is_synced_and_bookkeeping_is_not(spool: Spool) -> None:
    database = spool._database
    seen: list[str] = []
    database._connection.set_trace_callback(seen.append)

    _append(spool, b"frame")
    spool.events.record_delivery([1], [])

    levels = [statement for statement in seen if "synchronous" in statement]
    assert levels == ["PRAGMA synchronous = FULL", "PRAGMA synchronous = NORMAL"]
