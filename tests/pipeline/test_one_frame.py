"""One frame's whole way: from a camera to boxes on the page, everything real."""

import hashlib
from pathlib import Path
from typing import Any

import requests

from pinhole.contract.cid import Cid
from tests.support.polling import WaitUntil
from tests.support.stack import RunningStack


def frame_of(stack: RunningStack, data: bytes) -> dict[str, Any] | None:
    digest = hashlib.sha256(data).digest()
    frames = [row for row in stack.frames() if bytes(row["digest"]) == digest]
    return frames[-1] if frames and frames[-1]["analysis_state"] != "waiting" else None


def put(directory: Path, name: str, data: bytes) -> None:
    part = directory / f".{name}.part"
    part.write_bytes(data)
    part.rename(directory / name)


def test_a_rendered_gate_ends_as_detections_of_the_demo_model(
    stack: RunningStack, wait_until: WaitUntil
) -> None:
    def detected() -> list[dict[str, Any]]:
        page = stack.get("/api/v1/frames", site="home", camera="home/gate", limit=20).json()
        return [frame for frame in page["frames"] if frame["detections"]]

    frame = wait_until(detected, timeout_s=60)[0]
    assert frame["bytes_state"] == "pinned"
    assert frame["chain_state"] == "verified"
    for detection in frame["detections"]:
        x_min, y_min, x_max, y_max = detection["xyxy_px"]
        assert 0 <= x_min < x_max <= frame["width_px"]
        assert 0 <= y_min < y_max <= frame["height_px"]


def test_a_photograph_is_served_back_to_the_byte(
    stack: RunningStack, watched: Path, photo: bytes, wait_until: WaitUntil
) -> None:
    put(watched, "bus.jpg", photo)
    row = wait_until(lambda: frame_of(stack, photo), timeout_s=30)
    assert row["analysis_state"] == "detected"
    cid = Cid.of(photo)
    assert cid.sha256 == hashlib.sha256(photo).hexdigest()
    by_cid = stack.get(f"/ipfs/{cid}")
    by_hash = stack.get(f"/api/images/hash/{cid.sha256}")
    assert by_cid.content == photo
    assert by_hash.content == photo
    assert by_cid.headers["Content-Type"] == "image/jpeg"
    shown = stack.get(f"/api/v1/frames/{row['frame_id']}").json()
    assert shown["cid"] == str(cid)
    assert (shown["width_px"], shown["height_px"]) == (810, 1080)


def test_the_same_bytes_twice_are_one_object_and_two_frames(
    stack: RunningStack, watched: Path, photo: bytes, wait_until: WaitUntil
) -> None:
    twin = photo + b"\0twin"  # a trailer after the picture: other bytes, same picture
    put(watched, "first.jpg", twin)
    put(watched, "second.jpg", twin)
    digest = hashlib.sha256(twin).digest()

    def both() -> list[dict[str, Any]]:
        rows = [row for row in stack.frames() if bytes(row["digest"]) == digest]
        done = [row for row in rows if row["analysis_state"] == "detected"]
        return done if len(done) == 2 else []

    first, second = wait_until(both, timeout_s=30)
    assert first["seq"] != second["seq"]
    # One object, so one inference: the second frame's detections came from the memo.
    remembered = stack.query("SELECT digest FROM dashboard.inferences")
    assert [bytes(row["digest"]) for row in remembered].count(digest) == 1


def test_poisoned_pictures_end_with_a_reason_and_hold_up_nobody(
    stack: RunningStack, watched: Path, photo: bytes, wait_until: WaitUntil
) -> None:
    put(watched, "truncated.jpg", photo[: len(photo) // 3])
    put(watched, "page.jpg", b"<html><script>alert(1)</script></html>")
    put(watched, "empty.jpg", b"")
    put(watched, "large.jpg", photo + bytes(4_000_000))
    good = photo + b"\0after the poison"
    put(watched, "good.jpg", good)
    assert wait_until(lambda: frame_of(stack, good), timeout_s=30)["analysis_state"] == "detected"
    status = stack.layout.camera_dir("pictures")
    assert status.exists()
    known = {bytes(row["digest"]): row for row in stack.frames()}
    for data in (b"", b"<html><script>alert(1)</script></html>", photo + bytes(4_000_000)):
        row = known.get(hashlib.sha256(data).digest())
        assert row is None or row["analysis_state"] == "invalid"


def test_nothing_of_a_picture_is_in_a_message_or_a_row(stack: RunningStack) -> None:
    (longest,) = stack.query("SELECT max(octet_length(body)) AS size FROM dashboard.deliveries "
                             "WHERE headers IS NOT NULL")  # fmt: skip
    # Single events are at most 700 bytes; a camera that catches up sends batches of them.
    assert longest["size"] < 700 * 100


def test_a_stranger_gets_nothing(stack: RunningStack, photo: bytes) -> None:
    for path in (f"/ipfs/{Cid.of(photo)}", "/api/v1/frames"):
        answer = requests.get(stack.url + path, timeout=10)
        assert answer.status_code in (401, 404)
        assert photo not in answer.content
