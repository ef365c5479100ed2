"""The chain of `prev`: what it proves, in whatever order events come."""

from itertools import permutations

import pytest

from pinhole.contract.event import digest
from pinhole.runtime.postgres import Pool
from tests.dashboard_gateway.receiving.sending import Sender, rows


async def chain_of(pool: Pool) -> list[str]:
    found = await rows(pool, "SELECT chain_state::text FROM dashboard.frames ORDER BY seq")
    return [row["chain_state"] for row in found]


@pytest.mark.parametrize("order", list(permutations(range(4)))[::5])
async def test_chain_is_verified_whatever_order_its_events_come_in(
    camera: Sender, pool: Pool, order: tuple[int, ...]
) -> None:
    events = [camera.frame() for _ in range(4)]
    for at in order:
        assert (await camera.send(events[at])).status == 202
    assert await chain_of(pool) == ["verified"] * 4


async def test_event_whose_predecessor_has_not_come_is_pending(camera: Sender, pool: Pool) -> None:
    first, second, third = camera.frame(), camera.frame(), camera.frame()
    await camera.send(third, first)
    assert await chain_of(pool) == ["verified", "pending"]
    await camera.send(second)
    assert await chain_of(pool) == ["verified"] * 3


async def test_changed_event_breaks_the_chain_and_is_kept_as_evidence(
    camera: Sender, pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, third = camera.frame(), camera.frame(), camera.frame()
    second["data"]["width_px"] = 640
    await camera.send(first, second, third)
    assert await chain_of(pool) == ["verified", "verified", "broken"]
    assert "broken at seq 3" in caplog.text


async def test_changed_event_that_comes_late_breaks_what_waited_for_it(
    camera: Sender, pool: Pool
) -> None:
    first, second, third = camera.frame(), camera.frame(), camera.frame()
    second["data"]["width_px"] = 640
    await camera.send(first, third)
    await camera.send(second)
    assert await chain_of(pool) == ["verified", "verified", "broken"]


async def test_gap_that_is_declared_lost_is_passed_over(camera: Sender, pool: Pool) -> None:
    events = [camera.frame() for _ in range(6)]
    await camera.send(events[0], events[3], events[5])
    assert await chain_of(pool) == ["verified", "pending", "pending"]
    await camera.send(camera.lost(2, 5))
    assert await chain_of(pool) == ["verified", "verified", "verified"]
    following = camera.frame()
    await camera.send(following)
    assert await chain_of(pool) == ["verified"] * 4


async def test_event_after_a_declared_loss_in_the_same_batch_is_verified(
    camera: Sender, pool: Pool
) -> None:
    camera.frame()
    await camera.send(camera.lost(1, 1), camera.frame())
    assert await chain_of(pool) == ["verified"]


async def test_declared_loss_of_what_the_hub_has_hides_no_change(
    camera: Sender, pool: Pool
) -> None:
    first, second = camera.frame(), camera.frame()
    first["data"]["width_px"] = 640
    await camera.send(first)
    await camera.send(camera.lost(1, 1), second)
    assert await chain_of(pool) == ["verified", "broken"]


@pytest.mark.parametrize("together", [True, False])
async def test_rejected_event_is_a_link_of_the_chain_like_any_other(
    camera: Sender, pool: Pool, together: bool
) -> None:
    first = camera.frame()
    rejected = camera.frame()
    rejected["data"]["media_type"] = "text/html"
    # Its hash is that of the event as it was sent.
    camera.head = None
    third = camera.frame(prev=digest(rejected).hex())
    if together:
        await camera.send(first, rejected, third)
    else:
        for event in (first, rejected, third):
            await camera.send(event)
    assert await chain_of(pool) == ["verified", "verified"]
