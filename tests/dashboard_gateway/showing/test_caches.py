import asyncio

import pytest

from dashboard_gateway.caches import ByteCache, Flights
from tests.support.polling import Eventually


def test_the_least_recently_used_value_goes_when_the_bytes_are_too_many() -> None:
    cache: ByteCache[str, bytes] = ByteCache(10, len)
    for name in "abcde":
        cache.put(name, b"xx")
    cache.get("a")
    cache.put("f", b"xx")
    assert cache.get("a") is not None
    assert cache.get("b") is None
    assert cache.size_bytes == 10
    assert len(cache) == 5


def test_a_giant_is_not_kept_and_evicts_nobody() -> None:
    cache: ByteCache[str, bytes] = ByteCache(10, len)
    cache.put("small", b"xx")
    cache.put("giant", b"xxx")
    assert cache.get("giant") is None
    assert cache.get("small") is not None


def test_replacing_and_dropping_keep_the_count_of_bytes_right() -> None:
    cache: ByteCache[str, bytes] = ByteCache(100, len)
    cache.put("a", b"xx")
    cache.put("a", b"xxx")
    assert cache.size_bytes == 3
    cache.drop("a")
    cache.drop("a")
    assert cache.size_bytes == 0


async def test_many_askers_share_one_making() -> None:
    flights: Flights[str, int] = Flights()
    made = 0
    gate = asyncio.Event()

    async def make() -> int:
        nonlocal made
        made += 1
        await gate.wait()
        return made

    askers = [asyncio.create_task(flights.run("key", make)) for _ in range(50)]
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*askers) == [1] * 50
    assert await flights.run("key", make) == 2


async def test_an_asker_that_leaves_does_not_end_the_making_for_others() -> None:
    flights: Flights[str, str] = Flights()
    gate = asyncio.Event()

    async def make() -> str:
        await gate.wait()
        return "made"

    leaving = asyncio.create_task(flights.run("key", make))
    staying = asyncio.create_task(flights.run("key", make))
    await asyncio.sleep(0)
    leaving.cancel()
    gate.set()
    assert await staying == "made"
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_a_failure_reaches_every_asker_and_is_not_remembered(eventually: Eventually) -> None:
    flights: Flights[str, str] = Flights()

    async def fail() -> str:
        raise ValueError("no")

    async def make() -> str:
        return "made"

    askers = [asyncio.create_task(flights.run("key", fail)) for _ in range(3)]
    results = await asyncio.gather(*askers, return_exceptions=True)
    assert [type(result) for result in results] == [ValueError] * 3
    await eventually(lambda: not flights.flying("key"))
    assert await flights.run("key", make) == "made"
