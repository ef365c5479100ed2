"""Bounded memory: values by their size in bytes, and one making for many waiting askers."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ByteCache(Generic[K, V]):
    """The most recently used values, together at most `limit_bytes`.

    A value larger than a quarter of the limit is not kept: one giant must not evict the wall.
    """

    def __init__(self, limit_bytes: int, size_of: Callable[[V], int]) -> None:
        self._limit_bytes = limit_bytes
        self._size_of = size_of
        self._values: OrderedDict[K, V] = OrderedDict()
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        """Return the value and mark it as used, or None."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """Keep `value`, dropping the least recently used ones beyond the limit."""
        self.drop(key)
        size_bytes = self._size_of(value)
        if size_bytes * 4 > self._limit_bytes:
            return
        self._values[key] = value
        self.size_bytes += size_bytes
        while self.size_bytes > self._limit_bytes:
            _, dropped = self._values.popitem(last=False)
            self.size_bytes -= self._size_of(dropped)

    def drop(self, key: K) -> None:
        """Forget one value."""
        value = self._values.pop(key, None)
        if value is not None:
            self.size_bytes -= self._size_of(value)

    def clear(self) -> None:
        """Forget all values."""
        self._values.clear()
        self.size_bytes = 0


class Flights(Generic[K, V]):
    """Makes a value once for all who ask while it is being made.

    An asker who goes away does not end the making: others may wait, and it is bounded in time.
    """

    def __init__(self) -> None:
        self._tasks: dict[K, asyncio.Task[V]] = {}

    async def run(self, key: K, make: Callable[[], Awaitable[V]]) -> V:
        """Return what `make` returns, or what the making already under way for `key` will."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.ensure_future(self._made(make))
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(task)

    def flying(self, key: K) -> bool:
        """Whether a making for `key` is under way and not forgotten."""
        return key in self._tasks

    def forget(self, key: K) -> None:
        """Let later askers make it anew; those who wait already still get the old one."""
        self._tasks.pop(key, None)

    def clear(self) -> None:
        """Forget every making under way."""
        self._tasks.clear()

    @staticmethod
    async def _made(make: Callable[[], Awaitable[V]]) -> V:
        return await make()

    def _landed(self, key: K, task: asyncio.Task[V]) -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
        if not task.cancelled():
            # Every asker may be gone: retrieve the exception so that asyncio does not report it.
            task.exception()
