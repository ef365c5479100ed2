from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboard_gateway.viewers import Role
from tests.dashboard_gateway.showing.conftest import Client
from tests.support.gallery import Gallery, seen

CAR = seen("car", 0.91234, 100.04, 50, 300, 200.06, class_id=2)


@pytest.fixture
async def reader(gallery: Gallery) -> dict[str, str]:
    """Give the headers of a token that reads every frame."""
    return await gallery.add_token("reader")


async def get(client: Client, path: str, headers: dict[str, str], status: int = 200) -> Any:
    answer = await client.get(path, headers=headers)
    assert answer.status == status, await answer.text()
    return await answer.json()


async def test_a_frame_is_described_whole(
    showing: Client, gallery: Gallery, reader: dict[str, str], photo: bytes
) -> None:
    camera = await gallery.add_camera("gate-a", title="Gate A")
    at = datetime(2026, 3, 12, 10, 30, 15, 250_000, UTC)
    shown = await gallery.add_frame(
        camera, photo, captured_at=at, detections=[CAR], seq=7, attributes={"plate": "AB 123"}
    )
    frame = await get(showing, f"/api/v1/frames/{shown.frame_id}", reader)
    assert (frame["site"], frame["camera"], frame["title"]) == ("north", "gate-a", "Gate A")
    assert frame["cid"] == str(shown.cid)
    assert frame["image_hash"] == shown.cid.sha256
    assert frame["picture_url"] == f"/ipfs/{shown.cid}"
    assert frame["captured_at"] == "2026-03-12T10:30:15.250Z"
    assert frame["detections"] == [
        {
            "xyxy_px": [100.0, 50.0, 300.0, 200.1],
            "confidence": 0.9123,
            "class_id": 2,
            "class_name": "car",
        }
    ]
    assert (frame["width_px"], frame["height_px"]) == (810, 1080)
    assert (frame["seq"], frame["chain_state"]) == (7, "verified")
    assert frame["attributes"] == {"plate": "AB 123"}
    assert frame["model"]["name"] == "pinhole-demo"
    assert (frame["bytes_state"], frame["analysis_state"]) == ("pinned", "detected")


async def test_the_list_goes_on_at_its_cursor_until_it_ends(
    showing: Client, gallery: Gallery, reader: dict[str, str]
) -> None:
    camera = await gallery.add_camera("gate")
    added = [
        (await gallery.add_frame(camera, b"%d" % n, held=False, age=timedelta(minutes=n))).frame_id
        for n in range(7)
    ]
    listed: list[int] = []
    path = "/api/v1/frames?limit=3&camera=north/gate"
    page = await get(showing, path, reader)
    while True:
        listed += [frame["frame_id"] for frame in page["frames"]]
        if "next" not in page:
            break
        page = await get(showing, f"{path}&cursor={page['next']}", reader)
    assert listed == added


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=x", "limit"),
        ("cursor=nonsense", "cursor"),
        ("min_confidence=7", "min_confidence"),
        ("camera=x", "camera"),
        ("from=whenever", "from"),
        # A mistyped filter must not answer with every frame.
        ("camra=city/gate", "camra"),
    ],
)
async def test_a_bad_parameter_is_named(
    showing: Client, reader: dict[str, str], query: str, words: str
) -> None:
    body = await get(showing, f"/api/v1/frames?{query}", reader, 422)
    assert words in body["error"]["details"]


@pytest.mark.parametrize("name", ["0", "-1", "x", "1.5", "9" * 30, "²"])
async def test_a_frame_that_cannot_exist_is_not_found(
    showing: Client, reader: dict[str, str], name: str
) -> None:
    await get(showing, f"/api/v1/frames/{name}", reader, 404)


async def test_cameras_are_listed_with_their_health(
    showing: Client, gallery: Gallery, reader: dict[str, str]
) -> None:
    camera = await gallery.add_camera("gate-a")
    status = {
        "stream": "019cf0a5-7b80-7d7e-9c67-b3d2f8e1a001",
        "last_seq": 9,
        "spool_depth": 3,
        "disk_free_bytes": 1000,
        "versions": {"pinhole": "0.1.0"},
    }
    await gallery.pool.execute(
        "UPDATE dashboard.cameras SET status = $2, status_at = now() WHERE camera_id = $1",
        camera,
        status,
    )
    body = await get(showing, "/api/v1/cameras", reader)
    (listed,) = body["cameras"]
    assert (listed["site"], listed["camera"]) == ("north", "gate-a")
    assert (listed["health"]["spool_depth"], listed["health"]["disk_free_bytes"]) == (3, 1000)


async def test_a_heartbeat_of_a_newer_camera_does_not_break_the_list(
    showing: Client, gallery: Gallery, reader: dict[str, str]
) -> None:
    await gallery.add_camera("gate-a")
    await gallery.pool.execute(
        "UPDATE dashboard.cameras SET status_at = now(), status = $1",
        {"spool_depth": 1, "mood": "good"},
    )
    body = await get(showing, "/api/v1/cameras", reader)
    assert "health" not in body["cameras"][0]


async def test_a_session_reads_the_api_too(showing: Client, gallery: Gallery) -> None:
    headers = await gallery.add_session("root", Role.ADMIN)
    assert await get(showing, "/api/v1/frames", headers) == {"frames": []}
