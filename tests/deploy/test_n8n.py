"""deploy/n8n: the workflows' HTTP calls, made in their order to the real services."""

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import cv2
import pytest

from camera_uploader.synthetic.render import Scene
from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid, Codec
from pinhole.contract.scopes import Scope
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool
from pinhole.stack.kubo_node import KuboNode
from tests.deploy import centre
from tests.deploy.centre import SITE, Centre
from tests.deploy.composition import ROOT, read
from tests.deploy.workflow import Call, Workflow
from tests.support.polling import Eventually

FOLDER = ROOT / "deploy" / "n8n"
FILES = sorted(FOLDER.glob("*.json"))
CAPTURED_AT = "2026-01-31T12:00:00.123Z"
CREDENTIAL = ("httpBearerAuth", "Pinhole: token of n8n")
STATE = "SELECT bytes_state, analysis_state, storage_mode FROM dashboard.frames WHERE digest = $1"


@pytest.fixture
async def running(
    pool: Pool, postgres_dsn: str, hub_kubo: KuboNode, demo_model: Path, tmp_path: Path
) -> AsyncIterator[Centre]:
    async with AsyncExitStack() as stack:
        yield await centre.start(
            stack,
            pool=pool,
            dsn=postgres_dsn,
            hub=hub_kubo,
            models=demo_model.parent,
            home=tmp_path,
        )


@pytest.fixture(scope="module")
def street() -> bytes:
    """Render a street with some of what the demo model was made to see."""
    scene = Scene("street", 11, width_px=1280, height_px=720)
    pictures = (scene.frame(float(second)) for second in range(60))
    pixels = next(pixels for pixels, truths in pictures if len(truths) >= 3)
    done, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert done
    return bytes(encoded.tobytes())


class N8n:
    """n8n's part: its one credential, and the requests of its HTTP nodes."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def send(self, call: Call) -> Any:
        assert call.credential == CREDENTIAL
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(
                call.method, call.url, params=call.query, data=BytesIO(call.body)
            ) as answer,
        ):
            assert answer.status < 300, f"{call.node}: {answer.status} {await answer.text()}"
            return await answer.json()


async def n8n_for(running: Centre, *cameras: str) -> N8n:
    scopes = (Scope.PINS_WRITE, Scope.INFERENCE, Scope.RESULTS_WRITE)
    return N8n(await running.token("n8n", *scopes, cameras=list(cameras)))


async def put(node: KuboNode, data: bytes) -> Cid:
    async with aiohttp.ClientSession() as session:
        return await KuboRpc(session, node.rpc_url).block_put(data)


async def test_a_cid_from_a_webhook_becomes_a_frame_with_its_detections(
    running: Centre, camera_kubo: KuboNode, street: bytes, eventually: Eventually
) -> None:
    await running.enrol("quay", camera_kubo)
    n8n = await n8n_for(running, f"{SITE}/quay")
    cid = await put(camera_kubo, street)
    body = {"cid": str(cid), "site": SITE, "camera": "quay", "captured_at": CAPTURED_AT}
    workflow = Workflow(FOLDER / "reference.json", running.addresses)
    # Pinning learns where the camera is from a job of its enrolment.
    await eventually(lambda: _origin_is_known(running, "quay"))

    answer = await workflow.run(body, n8n.send)

    assert [call.node for call in workflow.calls] == ["Pin", "Infer", "Record"]
    assert all(len(call.body) < len(street) / 20 for call in workflow.calls), "bytes travelled"
    assert answer.status == 200
    assert answer.body["cid"] == str(cid)
    await _is_shown(running, street, answer.body["frame_id"], "reference", eventually)


async def test_a_picture_from_a_webhook_becomes_a_frame_like_any_other(
    running: Centre, camera_kubo: KuboNode, street: bytes, eventually: Eventually
) -> None:
    await running.enrol("ramp", camera_kubo)
    n8n = await n8n_for(running, f"{SITE}/ramp")
    picture = street + b"\0 of the binary twin"
    body = {
        "image": base64.b64encode(picture).decode(),
        "site": SITE,
        "camera": "ramp",
        "captured_at": CAPTURED_AT,
    }
    workflow = Workflow(FOLDER / "binary.json", running.addresses)

    answer = await workflow.run(body, n8n.send)

    assert [call.node for call in workflow.calls] == ["Infer", "Record"]
    assert len(workflow.calls[1].body) < len(picture) / 20, "bytes travelled to the dashboard"
    assert answer.body["cid"] == str(Cid.of(picture))
    await _is_shown(running, picture, answer.body["frame_id"], "binary", eventually)


async def test_a_picture_of_several_blocks_is_recorded_by_its_cid_and_its_hash(
    running: Centre, camera_kubo: KuboNode, street: bytes, eventually: Eventually
) -> None:
    await running.enrol("ramp", camera_kubo)
    n8n = await n8n_for(running, f"{SITE}/ramp")
    # What follows a JPEG's end is part of the file.
    picture = street + bytes(MAX_BLOCK_BYTES)
    body = {
        "image": base64.b64encode(picture).decode(),
        "site": SITE,
        "camera": "ramp",
        "captured_at": CAPTURED_AT,
    }

    answer = await Workflow(FOLDER / "binary.json", running.addresses).run(body, n8n.send)

    assert Cid.parse(answer.body["cid"]).codec is Codec.DAG_PB
    reader = await running.token("reader", Scope.FRAMES_READ)
    for path in (f"/ipfs/{answer.body['cid']}", f"/api/images/hash/{Cid.of(picture).sha256}"):

        async def is_served(path: str = path) -> bool:
            return await centre.get(running.dashboard_url, path, reader) == (200, picture)

        await eventually(is_served)


async def test_the_same_webhook_twice_is_one_frame(
    running: Centre, camera_kubo: KuboNode, street: bytes, eventually: Eventually
) -> None:
    await running.enrol("quay", camera_kubo)
    n8n = await n8n_for(running, f"{SITE}/quay")
    cid = await put(camera_kubo, street)
    body = {"cid": str(cid), "site": SITE, "camera": "quay", "captured_at": CAPTURED_AT}
    await eventually(lambda: _origin_is_known(running, "quay"))
    answers = [
        await Workflow(FOLDER / "reference.json", running.addresses).run(body, n8n.send)
        for _ in range(2)
    ]
    assert answers[0].body["frame_id"] == answers[1].body["frame_id"]
    assert [answer.body["duplicate"] for answer in answers] == [False, True]


async def test_bytes_that_nobody_has_are_answered_with_a_reason_and_not_recorded(
    running: Centre, camera_kubo: KuboNode, eventually: Eventually
) -> None:
    await running.enrol("quay", camera_kubo)
    n8n = await n8n_for(running, f"{SITE}/quay")
    await eventually(lambda: _origin_is_known(running, "quay"))
    cid = Cid.of(b"bytes that no node holds")
    body = {"cid": str(cid), "site": SITE, "camera": "quay", "captured_at": CAPTURED_AT}
    workflow = Workflow(FOLDER / "reference.json", running.addresses)

    answer = await workflow.run(body, n8n.send)

    assert [call.node for call in workflow.calls] == ["Pin"]
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "5"
    assert answer.body["reason"] == "NOT_AT_ORIGIN"
    assert await running.pool.fetchval("SELECT count(*) FROM dashboard.frames") == 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_workflow_can_be_imported_and_holds_no_secret(path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    names = [node["name"] for node in document["nodes"]]
    assert len(set(names)) == len(names) == len({node["id"] for node in document["nodes"]})
    for node in document["nodes"]:
        assert {"parameters", "id", "name", "type", "typeVersion", "position"} <= set(node)
        for credential in node.get("credentials", {}).values():
            assert credential["id"] == ""
    for source, ways in document["connections"].items():
        assert source in names
        assert {end["node"] for way in ways["main"] for end in way} <= set(names)
    assert not re.search(r"(pnh_|whsec_|whsk_|Bearer )", path.read_text(encoding="utf-8"))
    assert document["active"] is False


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_workflow_calls_services_by_their_names_in_compose(path: Path) -> None:
    compose = read()
    (node,) = (n for n in Workflow(path).nodes.values() if n["name"] == "Addresses")
    for given in node["parameters"]["assignments"]["assignments"]:
        name, port = re.fullmatch(r"http://([a-z]+):(\d+)", given["value"]).groups()  # type: ignore[union-attr]
        assert given["name"] == f"{name}_url"
        assert "services" in compose["services"][name]["networks"]
        assert {"dashboard": "8080", "pinning": "8081", "yolo": "8082"}[name] == port


def test_both_workflows_are_there() -> None:
    assert [path.stem for path in FILES] == ["binary", "reference"]


async def _origin_is_known(running: Centre, camera: str) -> bool:
    query = "SELECT count(*) FROM pinning.origins WHERE owner = $1"
    return bool(await running.pool.fetchval(query, f"camera:{SITE}/{camera}"))


async def _is_shown(
    running: Centre, picture: bytes, frame_id: int, mode: str, eventually: Eventually
) -> None:
    digest = hashlib.sha256(picture).digest()

    async def pinned() -> bool:
        row = await running.pool.fetchrow(STATE, digest)
        return row is not None and tuple(row) == ("pinned", "detected", mode)

    await eventually(pinned)
    reader = await running.token("reader", Scope.FRAMES_READ)
    status, body = await centre.get(
        running.dashboard_url, f"/api/images/hash/{digest.hex()}", reader
    )
    assert (status, body) == (200, picture)
    status, body = await centre.get(running.dashboard_url, f"/api/v1/frames/{frame_id}", reader)
    assert status == 200
    assert json.loads(body)["detections"]
