"""Sightings: what the node lists, streamed into a table of PostgreSQL. Constant memory here.

The node lists in no order, so a merge needs a sort. PostgreSQL sorts on its disk, better than we
would. A million pins and as many blocks took 108 s on a machine that others kept busy, where
reading the lists alone took 89, and 4 MB of memory (bench/reconcile.py).
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from pinhole.contract.cid import Cid, InvalidCid
from pinhole.runtime.postgres import Pool
from pinning.hub import Hub
from pinning.reconciling.steps import Steps

# The empty directory, which every repository has and pins from its `ipfs init` on.
EMPTY_DIRECTORY: Final = Cid.parse("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn").digest
_LONGEST_LISTING_S: Final = 6 * 3600.0

Record = tuple[bytes, bytes]


@dataclass
class Tally:
    """How much was listed."""

    pins: int = 0
    blocks: int = 0
    foreign: int = 0


async def collect(pool: Pool, hub: Hub, steps: Steps) -> Tally:
    """Make the table of sightings anew from the node's lists of pins and blocks.

    Raises:
        KuboError: a list broke off; what was written of it is not to be used.
    """
    tally = Tally()
    async with pool.acquire() as connection:
        await connection.execute("TRUNCATE pinning.sightings")
        async with aclosing(_records(hub, tally, steps)) as records:
            await connection.copy_records_to_table(
                "sightings",
                schema_name="pinning",
                columns=["cid", "kind"],
                records=records,
                timeout=_LONGEST_LISTING_S,
            )
        await connection.execute("ANALYZE pinning.sightings")
    return tally


async def _records(hub: Hub, tally: Tally, steps: Steps) -> AsyncGenerator[Record, None]:
    # Pins first: what is kept meanwhile is put before it is pinned, so its block is seen too.
    for kind, mark in (("direct", b"p"), ("recursive", b"r")):
        async for text in hub.rpc.pin_texts(kind=kind, timeout_s=_LONGEST_LISTING_S):
            cid = _ours(text, tally)
            if cid is None:
                continue
            tally.pins += 1
            yield cid.binary, mark
            if mark == b"r":
                for leaf in (await hub.blocks_of(cid))[1:]:
                    yield leaf.binary, b"l"
            await steps.step()
    async for text in hub.rpc.blocks(timeout_s=_LONGEST_LISTING_S):
        cid = _ours(text, tally)
        if cid is not None:
            tally.blocks += 1
            yield cid.binary, b"b"
            await steps.step()


def _ours(text: str, tally: Tally) -> Cid | None:
    try:
        cid = Cid.parse(text)
    except InvalidCid:
        tally.foreign += 1
        return None
    return cid if cid.digest != EMPTY_DIRECTORY else None
