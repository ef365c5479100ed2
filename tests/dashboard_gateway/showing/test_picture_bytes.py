"""Where served bytes come from: memory, the hub, or nowhere, and always verified."""

import asyncio
from datetime import timedelta

import pytest

from dashboard_gateway.gateway import PICTURES
from dashboard_gateway.hub import HubGateway
from pinhole.contract.cid import Cid
from tests.dashboard_gateway.showing.conftest import (
    Client,
    Headers,
    StartDashboard,
    lying_hub,
    picture_of,
)
from tests.support.gallery import Gallery, Shown
from tests.support.polling import Eventually


@pytest.mark.parametrize(
    ("state", "answered"),
    [
        ("awaited", (504, "BYTES_UNREACHABLE")),
        ("missing", (504, "BYTES_UNREACHABLE")),
        ("released", (410, "BYTES_RELEASED")),
        ("erased", (410, "BYTES_ERASED")),
        ("lost", (410, "BYTES_LOST")),
        ("invalid", (410, "BYTES_INVALID")),
    ],
)
async def test_a_known_frame_without_bytes_says_why(
    showing: Client, gallery: Gallery, admin: Headers, state: str, answered: tuple[int, str]
) -> None:
    status, reason = answered
    photo = picture_of(64, 48)
    shown = await gallery.add_frame(await gallery.add_camera("gate"), photo, bytes_state=state)
    # Not even "you have it already": the state comes before the conditional answer.
    headers = {**admin, "If-None-Match": f'"{shown.cid}"'}
    answer = await showing.get(f"/ipfs/{shown.cid}", headers=headers)
    assert answer.status == status
    assert (await answer.json())["error"]["reason"] == reason
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("Retry-After" in answer.headers) == (status == 504)


async def test_bytes_that_the_hub_does_not_hold_are_unreachable(
    showing: Client, gallery: Gallery, admin: Headers
) -> None:
    camera = await gallery.add_camera("gate")
    shown = await gallery.add_frame(camera, picture_of(64, 48, seed=7), held=False)
    answer = await showing.get(f"/ipfs/{shown.cid}", headers=admin)
    assert answer.status == 504
    assert answer.headers["Retry-After"] == "5"


async def test_a_hub_that_is_down_is_unreachable_and_kept_pictures_are_still_served(
    start_showing: StartDashboard, frame: Shown, admin: Headers, unused_port: int
) -> None:
    client = await start_showing(hub_gateway_url=f"http://127.0.0.1:{unused_port}")
    answer = await client.get(f"/ipfs/{frame.cid}", headers=admin)
    assert answer.status == 504
    assert (await answer.json())["error"]["reason"] == "BYTES_UNREACHABLE"


async def test_bytes_that_do_not_match_their_cid_are_never_served(
    start_showing: StartDashboard, frame: Shown, admin: Headers
) -> None:
    # A real hub cannot be made to lie.
    async with lying_hub(b"other bytes") as url:
        client = await start_showing(hub_gateway_url=url)
        answer = await client.get(f"/ipfs/{frame.cid}", headers=admin)
    assert answer.status == 504
    body = await answer.json()
    assert body["error"]["reason"] == "BYTES_UNREACHABLE"
    assert "do not hash" in body["error"]["details"]


async def test_many_viewers_of_a_cold_picture_cost_one_fetch(
    showing: Client, frame: Shown, admin: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[Cid] = []
    real = HubGateway.fetch

    async def counted(self: HubGateway, cid: Cid, *, timeout_s: float) -> bytearray:
        fetched.append(cid)
        return await real(self, cid, timeout_s=timeout_s)

    monkeypatch.setattr(HubGateway, "fetch", counted)
    requests = [showing.get(f"/ipfs/{frame.cid}", headers=admin) for _ in range(40)]
    answers = await asyncio.gather(*requests)
    assert {answer.status for answer in answers} == {200}
    assert fetched == [frame.cid]


async def test_an_erased_frame_is_gone_within_two_seconds_though_it_was_cached(
    showing: Client, gallery: Gallery, frame: Shown, admin: Headers, eventually: Eventually
) -> None:
    for query in ("", "?width=160"):
        assert (await showing.get(f"/ipfs/{frame.cid}{query}", headers=admin)).status == 200
    assert showing.app[PICTURES].size_bytes > 0
    await gallery.set_state(frame.frame_id, "erased")

    async def gone() -> bool:
        answers = [
            await showing.get(f"/ipfs/{frame.cid}{query}", headers=admin)
            for query in ("", "?width=160")
        ]
        return [answer.status for answer in answers] == [410, 410]

    await eventually(gone, timeout_s=2)
    assert showing.app[PICTURES].size_bytes == 0


async def test_memory_for_pictures_stays_within_its_limit(
    start_showing: StartDashboard, gallery: Gallery, admin: Headers
) -> None:
    client = await start_showing(picture_cache_bytes=1_000_000)
    camera = await gallery.add_camera("gate")
    for seed in range(8):
        data = picture_of(960, 540, seed=seed)
        assert 100_000 < len(data) < 250_000
        shown = await gallery.add_frame(camera, data, age=timedelta(seconds=seed))
        assert (await client.get(f"/ipfs/{shown.cid}", headers=admin)).status == 200
    assert 0 < client.app[PICTURES].size_bytes <= 1_000_000
