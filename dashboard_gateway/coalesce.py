"""Coalescing: single calls become batches by waiting for nothing.

What is asked while a call is under way goes into the next one. Alone, a call leaves at once; under
load, batches grow by themselves. There is no timer.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

I = TypeVar("I")  # noqa: E741 - an item
R = TypeVar("R")


class Coalescer(Generic[I, R]):
    """Answers `submit(item)` by `call(items)`, at most `most` at a time, `at_once` calls at once.

    An error of a call is the error of every item in it. Who is cancelled while waiting leaves the
    others alone.
    """

    def __init__(
        self,
        call: Callable[[Sequence[I]], Awaitable[Sequence[R]]],
        *,
        most: int,
        at_once: int = 1,
    ) -> None:
        self._call = call
        self._most = most
        self._at_once = at_once
        self._waiting: deque[tuple[I, asyncio.Future[R]]] = deque()
        self._calls: set[asyncio.Task[None]] = set()

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and no call is under way."""
        return not self._waiting and not self._calls

    async def submit(self, item: I) -> R:
        """Return what `call` answers for `item`."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if len(self._calls) < self._at_once:
            # The task starts after what is ready to run now: its submissions go along.
            task = asyncio.create_task(self._work())
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)
        return await future

    async def stop(self) -> None:
        """Cancel the calls under way; who waits for them is cancelled too."""
        tasks = list(self._calls)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self) -> None:
        while batch := self._next():
            try:
                results = await self._call([item for item, _ in batch])
                for (_, future), result in zip(batch, results, strict=True):
                    if not future.done():
                        future.set_result(result)
            except Exception as error:  # noqa: BLE001 - each waiting caller gets it and handles it
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
            finally:
                for _, future in batch:
                    future.cancel()

    def _next(self) -> list[tuple[I, "asyncio.Future[R]"]]:
        batch: list[tuple[I, asyncio.Future[R]]] = []
        while self._waiting and len(batch) < self._most:
            item, future = self._waiting.popleft()
            if not future.done():
                batch.append((item, future))
        return batch
