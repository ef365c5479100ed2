"""Frames that the hub holds already: blocks in its Kubo, rows at the dashboard, no journey."""

import asyncio
import hashlib
import json
from collections.abc import Sequence

import aiohttp

from bench import senders
from bench.stage import Stage
from pinhole.contract.cid import Cid
from pinhole.contract.ids import uuid7
from pinhole.contract.scopes import Scope
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool, create_pool
from pinhole.runtime.tokens import create_token
from pinhole.stack.kubo_node import KuboNode

_AT_ONCE = 8
_INSERT = """
    INSERT INTO dashboard.frames (camera_id, event_id, event_digest, digest, sha256, size_bytes,
                                  width_px, height_px, captured_at, bytes_state, analysis_state)
    SELECT $1, event_id, digest, digest, digest, $4, 1280, 720, now(), 'pinned', 'detected'
    FROM unnest($2::uuid[], $3::bytea[]) AS new (event_id, digest)
"""


async def put_all(node: KuboNode, token: str | None, pictures: Sequence[bytes]) -> list[Cid]:
    """Store pictures as directly pinned blocks of a node; return their CIDs, in order."""
    turns = asyncio.Semaphore(_AT_ONCE)
    async with aiohttp.ClientSession() as session:
        rpc = KuboRpc(session, node.rpc_url, token=token)

        async def put(picture: bytes) -> Cid:
            async with turns:
                return await rpc.block_put(picture)

        cids = list(await asyncio.gather(*(put(picture) for picture in pictures)))
        for start in range(0, len(cids), 32):
            await rpc.pin_add(cids[start : start + 32])
    return cids


async def at_the_hub(stage: Stage, camera: str, pictures: Sequence[bytes]) -> list[Cid]:
    """Put pictures into the hub as pinned frames of a camera; return their CIDs."""
    token = stage.service_secret("pinning", "pinning_kubo_rpc_token")
    cids = await put_all(stage.hub, token, pictures)
    async with await create_pool(stage.dsn, max_size=1) as pool:
        camera_id = await senders.camera(camera).enrol(pool)
        digests = [hashlib.sha256(picture).digest() for picture in pictures]
        ids = [uuid7() for _ in pictures]
        await pool.execute(_INSERT, camera_id, ids, digests, len(pictures[0]))
    return cids


async def token_of(pool: Pool, name: str, *scopes: Scope) -> str:
    """Return a new token's secret."""
    return await create_token(pool, name, scopes)


def as_json(value: object) -> bytes:
    """Return compact JSON."""
    return json.dumps(value, separators=(",", ":")).encode()
