"""Policies over a million pins: trying them, asking why, and ending what is over."""

import asyncio
import time
from datetime import timedelta
from typing import Final

from bench.figure import Figure, at_most, spread
from bench.scale import Scale
from bench.stage import Stage
from pinhole.contract.cid import Cid
from pinhole.contract.policies import PolicySet
from pinhole.runtime.postgres import Pool, create_pool
from pinning.retention import count, dry_runs
from pinning.retention.dry_runs import Caution
from pinning.retention.expiry import BATCH, judge, release_expired
from pinning.retention.why import why

_RUNS: Final = 5
_ASKED: Final = 200
_ENDED: Final = 5_000
_CAUTION: Final = Caution(
    most_share=1, tolerance=1, valid_for=timedelta(hours=1), plausible_days=30
)

# Of 40 cameras at 8 sites, over 116 days; three in ten labelled, two in three with detections.
_FILL: Final = """
    INSERT INTO pinning.pins (requestid, owner, cid, created_at, status, settled_at, site, camera,
        event_id, kind, label_status, captured_at, size_bytes, classes, max_confidence, batch_key)
    SELECT gen_random_uuid(), 'camera:site-' || n % 8 || '/gate-' || n % 40,
        '\\x01551220'::bytea || sha256(n::text::bytea), at, 'pinned', at,
        'site-' || n % 8, 'gate-' || n % 40, n::text, 'frame',
        (ARRAY[NULL, NULL, NULL, NULL, NULL, NULL, 'correct', 'changed', 'unsure', NULL])
            [1 + (n / 7) % 10],
        at, 100000 + n % 100000,
        CASE n % 3 WHEN 0 THEN '{}' WHEN 1 THEN '{car}' ELSE '{car,person}' END::text[],
        (n % 100) / 100.0, n::text
    FROM (SELECT n, now() - n * $2::float8 * interval '1 second' AS at
          FROM generate_series(1, $1::integer) AS n) AS rows
"""
_SPAN_S: Final = 10_000_000.0

_WINDOWS: Final = (
    {"name": "last", "priority": 300, "where": {"site": ["site-1"]}, "keep": {"last": 1000}},
    {
        "name": "thin",
        "priority": 200,
        "where": {"site": ["site-2"], "classes": ["car"]},
        "keep": {"one_per_s": 60, "after_days": 1},
    },
)


def measure(stage: Stage, scale: Scale) -> list[Figure]:
    """Return the rows of policies."""
    return asyncio.run(_measure(stage.dsn, scale.pins))


async def _measure(dsn: str, pins: int) -> list[Figure]:
    async with await create_pool(dsn, command_timeout_s=600) as pool:
        await pool.execute(_FILL, pins, _SPAN_S / pins)
        await pool.execute("VACUUM (ANALYZE) pinning.pins")
        floor = await _floor(pool, pins)
        tried = await _tried(pool, f"dry run, shipped policies, {pins:,} pins", floor)
        windows = await _tried(pool, "the same with last N and thinning", floor, *_WINDOWS)
        return [floor, tried, windows, await _asked(pool), await _ended(pool)]


async def _floor(pool: Pool, pins: int) -> Figure:
    times = []
    for _ in range(_RUNS):
        began = time.perf_counter()
        await count.held(pool)
        times.append(time.perf_counter() - began)
    return Figure(
        name=f"reading {pins:,} pins once",
        value=round(sorted(times)[len(times) // 2], 3),
        unit="s",
        source="count and sum of all rows, nothing judged",
        details=spread(times),
    )


async def _tried(pool: Pool, name: str, floor: Figure, *more: object) -> Figure:
    shipped = await pool.fetchval("SELECT policies FROM pinning.policy_sets WHERE version = 1")
    policies = PolicySet.model_validate({"policies": [*shipped, *more]}).policies
    times = []
    for _ in range(_RUNS):
        began = time.perf_counter()
        await dry_runs.make(pool, policies, "bench", _CAUTION, 10**12)
        times.append(time.perf_counter() - began)
    return Figure(
        name=name,
        value=round(sorted(times)[len(times) // 2], 3),
        unit="s",
        source="asked → counts, bytes, freed bytes, examples and forecast, kept; the median",
        beside=floor,
        budgets=[] if more else [at_most(2)],
        details=spread(times),
    )


async def _asked(pool: Pool) -> Figure:
    times = []
    for number in range(1, _ASKED + 1):
        cid = Cid.of(str(number).encode())
        began = time.perf_counter()
        await why(pool, cid, plausible_days=30)
        times.append(time.perf_counter() - began)
    return Figure(
        name="why a CID is kept",
        value=spread(times)["p50_ms"],
        unit="ms",
        source="asked → which pins, which policy, which holds, until when",
        details=spread(times),
    )


async def _ended(pool: Pool) -> Figure:
    await pool.execute("UPDATE pinning.policy_sets SET enforced = true")
    await judge(pool, _CAUTION)
    began, ended = time.perf_counter(), 0
    while ended < _ENDED and (dealt_with := await release_expired(pool, BATCH)):
        ended += dealt_with
    rate = ended / (time.perf_counter() - began)
    return Figure(
        name="ending pins that are over",
        value=round(rate),
        unit="pins/s",
        source=f"{BATCH} in a transaction, one process; their blocks go by release",
    )
