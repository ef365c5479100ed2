"""Waiting for something to become true, with a deadline instead of a sleep of hoped length."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar, overload

T = TypeVar("T")

_POLL_S = 0.01


class Eventually(Protocol):
    """The `eventually` fixture."""

    @overload
    async def __call__(
        self, predicate: Callable[[], Awaitable[T | None]], timeout_s: float = 10.0
    ) -> T: ...

    @overload
    async def __call__(self, predicate: Callable[[], T | None], timeout_s: float = 10.0) -> T: ...

    async def __call__(self, predicate: Callable[[], Any], timeout_s: float = 10.0) -> Any:
        """Return the predicate's first true value; fail with its last one at the deadline."""


class WaitUntil(Protocol):
    """The `wait_until` fixture: `eventually` for code without an event loop."""

    def __call__(self, predicate: Callable[[], T | None], timeout_s: float = 10.0) -> T:
        """Return the predicate's first true value; fail with its last one at the deadline."""


@overload
async def eventually(
    predicate: Callable[[], Awaitable[T | None]], timeout_s: float = 10.0
) -> T: ...


@overload
async def eventually(predicate: Callable[[], T | None], timeout_s: float = 10.0) -> T: ...


async def eventually(predicate: Callable[[], Any], timeout_s: float = 10.0) -> Any:
    """Return the first true value of `predicate` (or of what it awaits).

    Raises:
        AssertionError: It was still false after `timeout_s`.

    """
    deadline = time.monotonic() + timeout_s
    while True:
        answer = predicate()
        value = await answer if inspect.isawaitable(answer) else answer
        if value:
            return value
        assert time.monotonic() < deadline, f"still {value!r} after {timeout_s} s"
        await asyncio.sleep(_POLL_S)


def wait_until(predicate: Callable[[], T | None], timeout_s: float = 10.0) -> T:
    """Return the first true value of `predicate`.

    Raises:
        AssertionError: It was still false after `timeout_s`.

    """
    deadline = time.monotonic() + timeout_s
    while not (value := predicate()):
        assert time.monotonic() < deadline, f"still {value!r} after {timeout_s} s"
        time.sleep(_POLL_S)
    return value
