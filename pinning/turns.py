"""Turns: work that one process alone does, whatever number of them share the database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import IntEnum
from typing import Final

from pinhole.runtime.postgres import Pool

# Two-number keys are apart from the one-number keys of pinning/locks.py.
_SPACE: Final = 0x50494E  # "PIN"
TAKE: Final = "SELECT pg_try_advisory_lock($1::integer, $2::integer)"
GIVE_BACK: Final = "SELECT pg_advisory_unlock($1::integer, $2::integer)"


class Work(IntEnum):
    """What is done by one process at a time."""

    MAKING_ROOM = 1
    RECONCILING = 2


@asynccontextmanager
async def turn(pool: Pool, work: Work) -> AsyncIterator[bool]:
    """Yield whether `work` is this process's alone, for the length of the block.

    A killed process's turn ends with its connection.
    """
    async with pool.acquire() as connection:
        mine: bool = await connection.fetchval(TAKE, _SPACE, work)
        try:
            yield mine
            if mine:
                await connection.execute(GIVE_BACK, _SPACE, work)
        except BaseException:
            connection.terminate()
            raise
