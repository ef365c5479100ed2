"""Binary mode: pictures by value; pinning keeps the raw bytes, the detector only hands them on."""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Callable

import numpy as np
import pytest

from pinhole.contract.cid import Cid, Codec
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool
from tests.yolo_fetcher.conftest import Client, StartYolo
from tests.yolo_fetcher.pictures import decoded, encoded
from tests.yolo_fetcher.uploads import ANYTHING, FORM_TYPE, ROUTE, as_lines, form


async def test_uploaded_bytes_are_kept_as_they_came_and_named_in_the_answer(
    yolo_with_storage: Client, hub_rpc: KuboRpc, photo: bytes
) -> None:
    body = {"image": b64encode(photo).decode(), "confidence": ANYTHING}
    response = await yolo_with_storage.post(ROUTE, json=body)
    assert response.status == 200
    answer = await response.json()
    assert answer["image_hash"] == hashlib.sha256(photo).hexdigest()
    assert answer["cid"] == str(Cid.of(photo))
    assert answer["image_path"] == f"ipfs://{Cid.of(photo)}"
    assert answer["storage_mode"] == "binary"
    assert answer["duplicate"] is False
    assert answer["detections"]
    assert "warning" not in answer
    assert await hub_rpc.block_get(Cid.of(photo)) == photo
    again = await (await yolo_with_storage.post(ROUTE, json=body)).json()
    assert again["duplicate"] is True


async def test_upload_and_frame_of_the_same_bytes_get_the_same_detections(
    yolo_with_storage: Client, photo: bytes
) -> None:
    by_value = {"image": b64encode(photo).decode(), "confidence": ANYTHING}
    by_name = {"cid": str(Cid.of(photo)), "confidence": ANYTHING}
    uploaded = await (await yolo_with_storage.post(ROUTE, json=by_value)).json()
    fetched = await (await yolo_with_storage.post(ROUTE, json=by_name)).json()
    assert uploaded["detections"] == fetched["detections"]


async def test_upload_is_bound_to_the_caller_and_not_to_the_detector(
    yolo_with_storage: Client, pool: Pool, photo: bytes
) -> None:
    await yolo_with_storage.post(ROUTE, json={"image": b64encode(photo).decode()})
    owners = await pool.fetch("SELECT owner FROM pinning.bindings")
    assert [record["owner"] for record in owners] == ["token:caller"]


async def test_upload_of_4_megabytes_becomes_a_tree_and_keeps_its_hash(
    yolo_with_storage: Client,
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (1100, 1100, 3)).astype(np.uint8)
    data = encoded(picture, ".png")
    assert 3_500_000 < len(data) < 5_000_000
    answer = await (await yolo_with_storage.post(ROUTE, data=form(image=data))).json()
    assert answer["image_hash"] == hashlib.sha256(data).hexdigest()
    assert Cid.parse(answer["cid"]).codec is Codec.DAG_PB
    assert (answer["width_px"], answer["height_px"]) == (1100, 1100)


@pytest.mark.parametrize(
    "image",
    [
        lambda data: b64encode(data).decode(),
        lambda data: "data:image/jpeg;base64," + b64encode(data).decode(),
        lambda data: "data:text/html;charset=utf-8;base64," + b64encode(data).decode(),
        lambda data: "\r\n".join(as_lines(b64encode(data).decode())),
    ],
    ids=["base64", "data URI", "data URI of another type", "broken lines"],
)
async def test_picture_may_come_as_base64_or_as_a_data_uri(
    start_yolo: StartYolo, image: Callable[[bytes], str], photo: bytes
) -> None:
    yolo = await start_yolo()
    response = await yolo.post(ROUTE, json={"image": image(photo)})
    assert response.status == 200
    assert (await response.json())["height_px"] == 1080


async def test_picture_may_come_as_a_form_with_its_options(
    start_yolo: StartYolo, photo: bytes
) -> None:
    yolo = await start_yolo()
    everything = await yolo.post(ROUTE, data=form(image=photo, confidence=str(ANYTHING)))
    best = (await everything.json())["detections"][0]
    chosen = form(file=photo, confidence=str(ANYTHING), classes=f"{best['class_id']},4711")
    only = (await (await yolo.post(ROUTE, data=chosen)).json())["detections"]
    assert {found["class_id"] for found in only} == {best["class_id"]}


async def test_name_of_an_uploaded_file_is_never_looked_at(
    start_yolo: StartYolo, photo: bytes
) -> None:
    yolo = await start_yolo()
    part = b'Content-Disposition: form-data; name="image"; filename="../\xff\xfe.html"\r\n'
    body = b"--b\r\n" + part + b"Content-Type: text/html\r\n\r\n" + photo + b"\r\n--b--\r\n"
    response = await yolo.post(ROUTE, data=body, headers=FORM_TYPE)
    assert response.status == 200


async def test_boxes_are_drawn_only_where_they_are_asked_for_and_never_into_the_stored_bytes(
    yolo_with_storage: Client, hub_rpc: KuboRpc, photo: bytes
) -> None:
    body = {"image": b64encode(photo).decode(), "confidence": ANYTHING, "annotated": True}
    answer = await (await yolo_with_storage.post(ROUTE, json=body)).json()
    head, _, content = answer["annotated"].partition(",")
    assert head == "data:image/jpeg;base64"
    drawn, original = decoded(b64decode(content)), decoded(photo)
    assert drawn.shape == original.shape
    assert np.abs(drawn.astype(int) - original.astype(int)).max() > 100
    assert await hub_rpc.block_get(Cid.of(photo)) == photo
    plain = await (await yolo_with_storage.post(ROUTE, json={**body, "annotated": False})).json()
    assert "annotated" not in plain
    assert plain["detections"] == answer["detections"]
