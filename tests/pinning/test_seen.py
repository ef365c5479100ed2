"""What a detector saw reaches the pins of its frames, and policies with them."""

from typing import Any
from uuid import uuid4

from pinhole.contract.cid import Cid
from pinhole.contract.pins import Origin
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool
from pinning import store
from tests.pinning.conftest import SITE, Caller, Service, frame
from tests.support.plans import nodes

FACTS = "SELECT classes, max_confidence, meta, kind FROM pinning.pins ORDER BY created_at"


async def _tell(caller: Caller, *frames: dict[str, Any], camera: str = "gate-a") -> Any:
    body = {"site": SITE, "camera": camera, "frames": frames}
    return await caller.call("POST", "/api/v1/seen", json=body)


async def test_classes_and_confidence_are_written_once_and_leave_the_rest(
    dispatcher: Caller, gate_a: str, camera_rpc: KuboRpc, pool: Pool
) -> None:
    cid, event_id = await camera_rpc.block_put(frame()), str(uuid4())
    await dispatcher.pin(gate_a, [cid], meta={"event_id": event_id, "kind": "frame"})
    seen = {
        "cid": str(cid), "event_id": event_id, "classes": ["person", "car"], "max_confidence": 0.75,
    }  # fmt: skip
    unknown = {"cid": str(Cid.of(b"x")), "event_id": str(uuid4())}
    assert await _tell(dispatcher, seen, unknown) == (200, {"changed": 1, "unknown": 1})
    row = await pool.fetchrow(FACTS)
    assert row is not None
    assert (row["classes"], row["max_confidence"]) == (["car", "person"], 0.75)
    assert (row["kind"], row["meta"]["kind"], row["meta"]["classes"]) == (
        "frame", "frame", "car,person",
    )  # fmt: skip
    assert await _tell(dispatcher, seen) == (200, {"changed": 0, "unknown": 0})


async def test_a_frame_in_which_nothing_was_seen_has_no_classes(
    dispatcher: Caller, gate_a: str, camera_rpc: KuboRpc, pool: Pool
) -> None:
    cid, event_id = await camera_rpc.block_put(frame()), str(uuid4())
    await dispatcher.pin(gate_a, [cid], meta={"event_id": event_id})
    assert (await _tell(dispatcher, {"cid": str(cid), "event_id": event_id}))[0] == 200
    assert await pool.fetchval("SELECT classes FROM pinning.pins") == []


async def test_nobody_tells_of_anothers_frames(
    service: Service, dispatcher: Caller, gate_a: str, camera_rpc: KuboRpc, pool: Pool
) -> None:
    cid, event_id = await camera_rpc.block_put(frame()), str(uuid4())
    await dispatcher.pin(gate_a, [cid], meta={"event_id": event_id})
    seen = {"cid": str(cid), "event_id": event_id, "classes": ["car"]}
    outside = await service.client("outside")
    assert (await _tell(outside, seen))[0] == 403
    await dispatcher.enrol("gate-b", Origin())
    assert await _tell(dispatcher, seen, camera="gate-b") == (200, {"changed": 0, "unknown": 1})
    assert await pool.fetchval("SELECT classes FROM pinning.pins") == []


async def test_bad_classes_and_confidences_are_refused(dispatcher: Caller) -> None:
    good = {"cid": str(Cid.of(b"x")), "event_id": str(uuid4())}
    for bad in (
        {"classes": ["a,b"]}, {"classes": [""]}, {"classes": ["a\0"]}, {"max_confidence": 1.5},
        {"max_confidence": -0.1}, {"event_id": "x"}, {"label": "car"},
    ):  # fmt: skip
        status, answer = await _tell(dispatcher, good | bad)
        assert (status, answer["error"]["reason"]) == (422, "UNPROCESSABLE"), bad
    assert (await _tell(dispatcher))[0] == 422
    assert (await _tell(dispatcher, *[good] * 501))[0] == 422


async def test_pins_are_found_by_their_key(pool: Pool) -> None:
    found = await nodes(pool, store.BY_KEYS, "camera:harbour/gate-a", [Cid.of(b"x").binary], ["1"])
    assert "all of pins" not in found
