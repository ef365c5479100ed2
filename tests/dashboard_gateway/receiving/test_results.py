"""Results that an orchestrator posts."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pinhole.contract.cid import Cid
from pinhole.contract.scopes import Scope
from pinhole.runtime.postgres import Pool
from pinhole.runtime.tokens import create_token
from tests.dashboard_gateway.receiving.centre import Centre, frame
from tests.dashboard_gateway.receiving.sending import Answer, Client, Sender, count, rows
from tests.support.polling import Eventually

CAPTURED_AT = datetime.now(UTC).replace(microsecond=0)


def result(data: bytes = b"picture", **changes: Any) -> dict[str, Any]:
    return {
        "cid": str(Cid.of(data)),
        "site": "city",
        "camera": "gate",
        "captured_at": CAPTURED_AT.isoformat(),
        "storage_mode": "reference",
        "width_px": 640,
        "height_px": 480,
        "detections": [
            {"xyxy_px": [1, 2, 3, 4], "confidence": 0.9, "class_id": 2, "class_name": "car"},
            {"xyxy_px": [5, 6, 7, 8], "confidence": 0.4, "class_id": 0, "class_name": "person"},
        ],
        "model": {"name": "theirs", "digest": "ab" * 32},
        **changes,
    }


async def post(client: Any, token: str, body: dict[str, Any]) -> Answer:
    headers = {"Authorization": f"Bearer {token}"}
    async with client.post("/api/v1/results", json=body, headers=headers) as response:
        return Answer(response.status, await response.json(), response.headers)


@pytest.fixture
async def token(pool: Pool) -> str:
    return await create_token(pool, "n8n", [Scope.RESULTS_WRITE])


async def test_result_becomes_a_frame_with_detections_and_a_job_for_its_bytes(
    camera: Sender, pool: Pool, token: str
) -> None:
    answer = await post(camera.client, token, result(attributes={"gate": "north"}))
    assert (answer.status, answer.body["duplicate"]) == (201, False)
    (row,) = await rows(pool, "SELECT * FROM dashboard.frames")
    assert answer.body["frame_id"] == row["frame_id"]
    assert (row["bytes_state"], row["analysis_state"]) == ("awaited", "detected")
    assert (row["chain_state"], row["owner"]) == ("unchained", None)
    assert (row["classes"], row["model_name"]) == (["car", "person"], "theirs")
    assert row["max_confidence"] == pytest.approx(0.9)
    assert row["attributes"] == {"gate": "north"}
    assert await count(pool, "SELECT count(*) FROM dashboard.detections") == 2
    jobs = "SELECT count(*) FROM dashboard.pgqueuer WHERE entrypoint = 'frames'"
    assert await count(pool, jobs) == 1
    # Made by nobody knows which parameters: the memo is not for it.
    assert await count(pool, "SELECT count(*) FROM dashboard.inferences") == 0


async def test_same_result_again_is_a_duplicate_and_another_a_conflict(
    camera: Sender, pool: Pool, token: str
) -> None:
    first = await post(camera.client, token, result())
    again = await post(camera.client, token, result())
    assert (again.status, again.body["duplicate"]) == (200, True)
    assert again.body["frame_id"] == first.body["frame_id"]
    other = await post(camera.client, token, result(detections=[]))
    assert (other.status, other.reason) == (409, "CONFLICT")
    assert await count(pool, "SELECT count(*) FROM dashboard.detections") == 2


async def test_bytes_in_a_result_are_refused(camera: Sender, pool: Pool, token: str) -> None:
    answer = await post(camera.client, token, result(image="aGVsbG8="))
    assert answer.status == 422
    assert "image" in answer.body["error"]["details"]
    assert await count(pool, "SELECT count(*) FROM dashboard.frames") == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"image_hash": "00" * 32},
        {"cid": None},
        {"detections": [{"xyxy_px": [1, 2, 3], "confidence": 1, "class_id": 0, "class_name": "x"}]},
        {"attributes": {"text": "x" * 1100}},
        {"attributes": {"text": "\0"}},
        {"captured_at": "yesterday"},
        {"width_px": 0},
    ],
    ids=["two pictures", "none", "no box", "large", "U+0000", "no time", "no size"],
)
async def test_malformed_result_is_refused_with_the_field_at_fault(
    camera: Sender, pool: Pool, token: str, changes: dict[str, Any]
) -> None:
    body = {name: value for name, value in result(**changes).items() if value is not None}
    answer = await post(camera.client, token, body)
    assert (answer.status, answer.reason) == (422, "UNPROCESSABLE")
    assert await count(pool, "SELECT count(*) FROM dashboard.frames") == 0


async def test_result_of_a_camera_that_the_token_does_not_see_is_as_if_it_were_not_there(
    camera: Sender, pool: Pool
) -> None:
    limited = await create_token(pool, "limited", [Scope.RESULTS_WRITE], cameras=["harbour"])
    free = await create_token(pool, "free", [Scope.RESULTS_WRITE])
    hidden = await post(camera.client, limited, result())
    unknown = await post(camera.client, free, result(camera="nobody"))
    assert (hidden.status, hidden.reason) == (unknown.status, unknown.reason)
    assert (hidden.status, hidden.reason) == (404, "UNKNOWN_CAMERA")


async def test_result_needs_its_scope(camera: Sender, receiving: Client, pool: Pool) -> None:
    other = await create_token(pool, "reader", [Scope.FRAMES_READ])
    assert (await post(receiving, other, result())).status == 403
    assert (await post(receiving, "pnh_wrong", result())).status == 401


async def test_uploaded_picture_is_shown_once_its_uploader_is_known_to_have_sent_it(
    centre: Centre, eventually: Eventually
) -> None:
    await centre.enrol()
    n8n = await create_token(centre.pool, "n8n", [Scope.RESULTS_WRITE, Scope.BLOCKS_WRITE])
    uploaded, named_only = frame(), frame()
    headers = {"Authorization": f"Bearer {n8n}"}
    async with centre.client.session.post(
        f"{centre.pinning.url}/api/v1/blocks", data=uploaded, headers=headers
    ) as response:
        assert response.status == 200
    await centre.hub.block_put(named_only)
    for picture in (uploaded, named_only):
        body = result(picture, storage_mode="binary", image_hash=Cid.of(picture).sha256)
        assert (await post(centre.client, n8n, body)).status == 201

    async def settled() -> bool:
        states = [bytes_state for bytes_state, _ in await centre.states()]
        return states[0] == "pinned" and states[1] != "awaited"

    await eventually(settled, 40)
    assert (await centre.states())[1] == ("missing", "detected")
