"""Many pins in one call: order, repetition, waiting, refusals."""

import asyncio
from uuid import uuid4

from pinhole.contract.cid import Cid
from pinhole.contract.pins import MAX_BATCH_PINS, Status
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool
from tests.pinning.conftest import SITE, Caller, frame
from tests.support.polling import Eventually


async def test_results_come_in_the_order_asked(
    dispatcher: Caller, gate_a: str, camera_rpc: KuboRpc
) -> None:
    cids = [await camera_rpc.block_put(frame(2_000)) for _ in range(40)]
    cids[7] = Cid.of(frame())
    results = await dispatcher.pin(gate_a, cids)
    assert [result.cid for result in results] == cids
    assert [n for n, result in enumerate(results) if result.status is not Status.PINNED] == [7]


async def test_a_repeated_batch_finds_its_pins_again(
    dispatcher: Caller, gate_a: str, camera_rpc: KuboRpc, pool: Pool
) -> None:
    cid = await camera_rpc.block_put(frame())
    (first,) = await dispatcher.pin(gate_a, [cid], meta={"event_id": "a"})
    (again,) = await dispatcher.pin(gate_a, [cid], meta={"event_id": "a"})
    assert again == first
    assert await pool.fetchval("SELECT count(*) FROM pinning.pins") == 1


async def test_two_events_with_the_same_frame_have_two_pins_and_one_fetch(
    dispatcher: Caller, gate_a: str, camera_rpc: KuboRpc, pool: Pool
) -> None:
    cid = await camera_rpc.block_put(frame())
    pins = [{"cid": str(cid), "meta": {"event_id": event}} for event in ("a", "b", "b")]
    body = {"site": SITE, "camera": gate_a, "pins": pins}
    status, answer = await dispatcher.call("POST", "/pins/batch?wait_s=10", json=body)
    assert status == 200
    a, b, b_again = answer["results"]
    assert a["status"] == b["status"] == "pinned"
    assert a["requestid"] != b["requestid"] == b_again["requestid"]
    assert await pool.fetchval("SELECT count(*) FROM pinning.bindings") == 1


async def test_a_failed_pin_is_asked_for_anew_when_its_batch_is_repeated(
    dispatcher: Caller, gate_a: str, camera_rpc: KuboRpc
) -> None:
    cid = Cid.of(data := frame())
    (failed,) = await dispatcher.pin(gate_a, [cid])
    assert failed.status is Status.FAILED
    await camera_rpc.block_put(data)
    (pinned,) = await dispatcher.pin(gate_a, [cid])
    assert pinned.status is Status.PINNED
    assert pinned.requestid == failed.requestid


async def test_without_waiting_the_answer_is_queued_and_the_pin_follows(
    dispatcher: Caller, gate_a: str, camera_rpc: KuboRpc, pool: Pool, eventually: Eventually
) -> None:
    cid = await camera_rpc.block_put(frame())
    (result,) = await dispatcher.pin(gate_a, [cid], wait_s=0)
    assert result.status is Status.QUEUED

    async def is_pinned() -> bool:
        return bool(await pool.fetchval("SELECT status = 'pinned' FROM pinning.pins"))

    await eventually(is_pinned)


async def test_the_same_new_frame_asked_for_by_many_at_once_is_pinned_for_all(
    dispatcher: Caller, gate_a: str, camera_rpc: KuboRpc, pool: Pool, eventually: Eventually
) -> None:
    cid = await camera_rpc.block_put(frame())
    answers = await asyncio.gather(
        *(dispatcher.pin(gate_a, [cid], meta={"event_id": str(n)}) for n in range(20))
    )
    assert {result.status for (result,) in answers} == {Status.PINNED}
    assert len({result.requestid for (result,) in answers}) == 20
    assert await pool.fetchval("SELECT count(*) FROM pinning.pins") == 20

    async def are_settled() -> bool:
        """Rows that were written at an attempt's very end are settled right after it."""
        return bool(await pool.fetchval("SELECT bool_and(status = 'pinned') FROM pinning.pins"))

    await eventually(are_settled)


async def test_pins_of_one_owner_never_share_an_instant(
    dispatcher: Caller, gate_a: str, camera_rpc: KuboRpc, pool: Pool
) -> None:
    cid = await camera_rpc.block_put(frame())
    await asyncio.gather(
        *(
            dispatcher.call(
                "POST",
                "/pins/batch",
                json={
                    "site": SITE,
                    "camera": gate_a,
                    "pins": [
                        {"cid": str(cid), "meta": {"event_id": f"{batch}-{n}"}} for n in range(100)
                    ],
                },
            )
            for batch in range(5)
        )
    )
    row = await pool.fetchrow("SELECT count(*), count(DISTINCT created_at) FROM pinning.pins")
    assert row is not None
    assert tuple(row) == (500, 500)


async def test_what_policies_decide_on_is_in_typed_columns(
    dispatcher: Caller, gate_a: str, camera_rpc: KuboRpc, pool: Pool
) -> None:
    meta = {
        "event_id": "0198",
        "captured_at": "2026-01-31T12:00:00.5+01:00",
        "city_id": "gdynia",
        "kind": "frame",
        "label_status": "unsure",
        "site_id": "elsewhere",
    }
    data = frame(1234)
    await dispatcher.pin(gate_a, [await camera_rpc.block_put(data)], meta=meta)
    row = await pool.fetchrow("SELECT * FROM pinning.pins")
    assert row is not None
    # The owner says where it is from; `meta` is the client's.
    assert (row["site"], row["camera"], row["city"]) == (SITE, gate_a, "gdynia")
    assert (row["kind"], row["label_status"], row["event_id"]) == ("frame", "unsure", "0198")
    assert row["captured_at"].isoformat() == "2026-01-31T11:00:00.500000+00:00"
    assert row["size_bytes"] == 1234
    assert row["meta"] == meta


async def test_a_wait_that_is_no_number_within_bounds_is_refused(dispatcher: Caller) -> None:
    body = {"pins": [{"cid": str(Cid.of(b"x"))}]}
    for wait_s in ("-1", "61", "nan", "soon", "inf"):
        status, answer = await dispatcher.call("POST", f"/pins/batch?wait_s={wait_s}", json=body)
        assert (status, answer["error"]["reason"]) == (400, "BAD_REQUEST"), wait_s


GOOD = str(Cid.of(b"x"))


OTHER_FORMS: list[tuple[object, str]] = [
    ({"pins": []}, "pins"),
    ({"pins": [{"cid": GOOD}] * (MAX_BATCH_PINS + 1)}, "pins"),
    ({"pins": [{"cid": "hello"}]}, "CID_MALFORMED"),
    ({"pins": [{"cid": "bafkqaaa"}]}, "CID_HASH"),
    ({"pins": [{"cid": "bafyrgqg4dhsr2dqzzrzk"}]}, "pins.0.cid"),
    ({"pins": [{"cid": GOOD}], "camera": "gate-a"}, "camera and site come together"),
    ({"pins": [{"cid": GOOD}], "camera": "../x", "site": "y"}, "camera"),
    ({"pins": [{"cid": GOOD, "origins": ["/ip4/10.0.0.1/tcp/1"]}]}, "origins"),
    ([], "body"),
]


async def test_a_batch_of_another_form_is_refused_with_its_field(dispatcher: Caller) -> None:
    for body, words in OTHER_FORMS:
        status, answer = await dispatcher.call("POST", "/pins/batch", json=body)
        assert status == 422, body
        assert words in answer["error"]["details"], answer


async def test_ten_thousand_pins_in_one_batch_are_refused_and_none_is_written(
    dispatcher: Caller, pool: Pool
) -> None:
    for path, body in (
        ("/pins/batch", {"pins": [{"cid": GOOD}] * 10_000}),
        ("/pins/batch", {"pins": [{"cid": GOOD, "size_bytes": 2**63}]}),
        ("/pins/meta", {"patches": [{"requestids": [str(uuid4())] * 10_000, "merge": {}}]}),
    ):
        status, answer = await dispatcher.call(
            "PATCH" if path == "/pins/meta" else "POST", path, json=body
        )
        assert (status, answer["error"]["reason"]) == (422, "UNPROCESSABLE"), path
        assert "500" in answer["error"]["details"] or "size_bytes" in answer["error"]["details"]
    assert await pool.fetchval("SELECT count(*) FROM pinning.pins") == 0


async def test_text_that_cannot_be_stored_is_refused(dispatcher: Caller, pool: Pool) -> None:
    for pin in ({"cid": GOOD, "name": "a\0b"}, {"cid": GOOD, "meta": {"k": "a\0b"}}):
        status, answer = await dispatcher.call("POST", "/pins/batch", json={"pins": [pin]})
        assert (status, answer["error"]["reason"]) == (400, "BAD_REQUEST")
    assert await pool.fetchval("SELECT count(*) FROM pinning.pins") == 0
