"""Large bodies are hashed beside the event loop, small ones in it."""

import asyncio
import hashlib
import threading

import pytest

from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid
from pinhole.runtime import hashing


@pytest.mark.parametrize("size", [0, hashing.HASH_HERE_BYTES, MAX_BLOCK_BYTES])
async def test_digests_are_those_of_hashlib(size: int) -> None:
    data = bytes(size)
    assert await hashing.sha256(bytearray(data)) == hashlib.sha256(data).digest()
    assert await hashing.matches(Cid.of(data), data)
    assert not await hashing.matches(Cid.of(b"others"), data)


async def test_the_loop_goes_on_while_the_largest_block_is_hashed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, goes_on = hashlib.sha256, threading.Event()

    def held_up(data: bytes) -> object:
        assert goes_on.wait(5), "the loop stood still"
        return real(data)

    monkeypatch.setattr(hashlib, "sha256", held_up)
    hashed = asyncio.create_task(hashing.sha256(bytes(MAX_BLOCK_BYTES)))
    await asyncio.sleep(0)
    goes_on.set()
    assert await hashed == real(bytes(MAX_BLOCK_BYTES)).digest()
