"""Another meta for many pins: merging, replacing, owners, bounds, what policies and lists see."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from pinhole.contract.cid import Cid
from pinhole.contract.owners import Owner
from pinhole.contract.pins import MAX_BATCH_PINS, MAX_META_KEYS
from pinhole.contract.scopes import Scope
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool
from tests.pinning.conftest import SITE, Caller, Service, frame


@pytest.fixture
async def anna(service: Service) -> Caller:
    return await service.client("anna")


async def _add(caller: Caller, **pin: Any) -> str:
    body = {"cid": str(Cid.of(frame(50))), **pin}
    status, answer = await caller.call("POST", "/pins", json=body)
    assert status == 202, answer
    return str(answer["requestid"])


async def _patch(caller: Caller, *patches: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    body = {"patches": list(patches), **more}
    status, answer = await caller.call("PATCH", "/pins/meta", json=body)
    assert status == 200, answer
    results = answer["results"]
    assert isinstance(results, list)
    return results


async def _pin(caller: Caller, requestid: str) -> dict[str, Any]:
    _, answer = await caller.call("GET", f"/pins/{requestid}")
    assert isinstance(answer, dict)
    return answer


async def test_merging_sets_removes_and_leaves_keys_and_the_pin_stays_the_same(
    anna: Caller,
) -> None:
    pin = await _add(anna, name="a", meta={"kind": "frame", "label_status": "unsure", "note": "x"})
    before = await _pin(anna, pin)
    merge = {"label_status": "changed", "note": None, "absent": None}
    assert await _patch(anna, {"requestids": [pin], "merge": merge}) == [
        {"requestid": pin, "changed": True}
    ]
    after = await _pin(anna, pin)
    assert after["pin"]["meta"] == {"kind": "frame", "label_status": "changed"}
    for same in ("requestid", "created"):
        assert after[same] == before[same]
    assert (after["pin"]["cid"], after["pin"]["name"]) == (before["pin"]["cid"], "a")


async def test_replacing_leaves_nothing_of_the_old_meta(anna: Caller) -> None:
    pin = await _add(anna, meta={"kind": "frame"})
    for meta in ({"app": "7"}, {}):
        await _patch(anna, {"requestids": [pin], "replace": meta})
        assert (await _pin(anna, pin))["pin"]["meta"] == meta


async def test_lists_find_a_pin_by_its_new_meta_and_no_longer_by_the_old(anna: Caller) -> None:
    pin = await _add(anna, meta={"label_status": "unsure"})
    await _patch(anna, {"requestids": [pin], "merge": {"label_status": "correct"}})
    every = "&status=queued,pinning,pinned,failed"
    for label, count in (("unsure", 0), ("correct", 1)):
        query = f'/pins?meta={{"label_status":"{label}"}}{every}'
        assert (await anna.call("GET", query))[1]["count"] == count, label


async def test_each_patch_is_for_its_own_pins_and_results_come_in_the_order_asked(
    anna: Caller,
) -> None:
    pins = [await _add(anna) for _ in range(4)]
    missing = str(uuid4())
    results = await _patch(
        anna,
        {"requestids": [pins[2], missing, pins[0]], "merge": {"n": "1"}},
        {"requestids": [pins[1]], "replace": {"n": "2"}},
    )
    assert [result["requestid"] for result in results] == [pins[2], missing, pins[0], pins[1]]
    assert [result["changed"] for result in results] == [True, False, True, True]
    assert results[1]["reason"] == "NOT_FOUND"
    metas = [(await _pin(anna, pin))["pin"]["meta"] for pin in pins]
    assert metas == [{"n": "1"}, {"n": "2"}, {"n": "1"}, {}]


async def test_a_pin_that_is_named_again_is_changed_again_in_the_order_asked(anna: Caller) -> None:
    pin = await _add(anna, meta={"a": "1"})
    await _patch(
        anna,
        {"requestids": [pin, pin], "replace": {"b": "2"}},
        {"requestids": [pin], "merge": {"c": "3"}},
    )
    assert (await _pin(anna, pin))["pin"]["meta"] == {"b": "2", "c": "3"}


async def test_the_pins_of_another_owner_are_not_there(service: Service, anna: Caller) -> None:
    pin = await _add(anna, meta={"a": "1"})
    bert = await service.client("bert")
    (result,) = await _patch(bert, {"requestids": [pin], "replace": {}})
    assert (result["changed"], result["reason"]) == (False, "NOT_FOUND")
    assert (await _pin(anna, pin))["pin"]["meta"] == {"a": "1"}
    body = {"site": SITE, "camera": "gate-a", "patches": [{"requestids": [pin], "merge": {}}]}
    assert (await bert.call("PATCH", "/pins/meta", json=body))[0] == 403
    reader = await service.caller("reader", Scope.PINS_READ)
    assert (await reader.call("PATCH", "/pins/meta", json=body))[0] == 403


async def test_a_service_changes_the_pins_of_a_camera_and_policies_see_it_in_typed_columns(
    dispatcher: Caller, gate_a: str, camera_rpc: KuboRpc, pool: Pool
) -> None:
    cid = await camera_rpc.block_put(frame())
    (pin,) = await dispatcher.pin(gate_a, [cid], meta={"event_id": "7", "kind": "frame"})
    seen = {"classes": "car, license_plate", "max_confidence": "0.5", "label_status": "correct"}
    patch = {"requestids": [pin.requestid], "merge": {**seen, "site_id": "elsewhere"}}
    await _patch(dispatcher, patch, site=SITE, camera=gate_a)
    row = await pool.fetchrow("SELECT * FROM pinning.pins")
    assert row is not None
    assert row["classes"] == ["car", "license_plate"]
    assert (row["max_confidence"], row["label_status"]) == (0.5, "correct")
    assert (row["event_id"], row["kind"], row["site"]) == ("7", "frame", SITE)
    # The repeated batch of a dispatcher that crashed finds the pin and takes nothing back.
    (again,) = await dispatcher.pin(gate_a, [cid], meta={"event_id": "7", "kind": "frame"})
    assert again.requestid == pin.requestid
    assert (await _pin(dispatcher.acting_for(Owner.camera(SITE, gate_a)), pin.requestid))["pin"][
        "meta"
    ]["label_status"] == "correct"


async def test_what_is_no_share_is_no_confidence(anna: Caller, pool: Pool) -> None:
    for text in ("2", "-1", "nan", "high", ""):
        await _add(anna, meta={"max_confidence": text, "classes": " , "})
    rows = await pool.fetch("SELECT DISTINCT max_confidence, classes FROM pinning.pins")
    assert [tuple(row) for row in rows] == [(None, [])]


async def test_a_pin_whose_meta_would_grow_beyond_the_limit_is_left_and_the_others_change(
    anna: Caller,
) -> None:
    full = await _add(anna, meta={str(n): "" for n in range(MAX_META_KEYS)})
    large = await _add(anna, meta={"a": "x" * 1_000_000})
    small = await _add(anna)
    merge = {"one more": "y" * 60_000}
    results = await _patch(anna, {"requestids": [full, large, small], "merge": merge})
    reasons = [result.get("reason") for result in results]
    assert reasons == ["TOO_MANY_KEYS", "TOO_LARGE", None]
    assert "1001 keys, the limit is 1000" in results[0]["details"]
    assert (await _pin(anna, small))["pin"]["meta"] == merge


ID = "01980000-0000-7000-8000-00000000000b"
OTHER_FORMS: list[tuple[object, int, str]] = [
    ({}, 422, "patches"),
    ({"patches": []}, 422, "patches"),
    ({"patches": [{"requestids": [], "merge": {}}]}, 422, "requestids"),
    ({"patches": [{"requestids": ["x"], "merge": {}}]}, 422, "requestids"),
    ({"patches": [{"requestids": [ID]}]}, 422, "exactly one of merge and replace"),
    ({"patches": [{"requestids": [ID], "merge": {}, "replace": {}}]}, 422, "exactly one"),
    ({"patches": [{"requestids": [ID], "replace": {"a": None}}]}, 422, "replace.a"),
    ({"patches": [{"requestids": [ID], "merge": {"a": 1}}]}, 422, "merge.a"),
    (
        {"patches": [{"requestids": [str(uuid4()) for _ in range(300)], "merge": {}}] * 2},
        422,
        f"600 requestids, the limit is {MAX_BATCH_PINS}",
    ),
    (
        {"patches": [{"requestids": [ID], "merge": {str(n): "" for n in range(1001)}}]},
        422,
        "1000 items",
    ),
    ({"patches": [{"requestids": [ID], "merge": {"a": "\0"}}]}, 400, "cannot be stored"),
    (
        {
            "patches": [
                {"requestids": [str(uuid4()) for _ in range(500)], "merge": {"a": "x" * 9_000}}
            ]
        },
        413,
        "4500500 characters",
    ),
    ({"site": SITE, "patches": [{"requestids": [ID], "merge": {}}]}, 422, "come together"),
]


async def test_a_patch_of_another_form_is_refused_with_its_field(anna: Caller) -> None:
    for body, status, words in OTHER_FORMS:
        found, answer = await anna.call("PATCH", "/pins/meta", json=body)
        assert found == status, answer
        assert words in answer["error"]["details"], answer


async def test_many_who_patch_and_delete_the_same_pins_at_once_never_stand_in_a_circle(
    anna: Caller, pool: Pool
) -> None:
    pins = [await _add(anna) for _ in range(20)]

    async def patch(number: int) -> None:
        order = pins if number % 2 else pins[::-1]
        await _patch(anna, {"requestids": order, "merge": {f"by-{number}": "x"}})

    async def delete(pin: str) -> None:
        assert (await anna.call("DELETE", f"/pins/{pin}"))[0] == 202

    await asyncio.gather(*map(patch, range(10)), *map(delete, pins[::2]))
    metas = [row["meta"] for row in await pool.fetch("SELECT meta FROM pinning.pins")]
    assert metas == [{f"by-{number}": "x" for number in range(10)}] * 10
