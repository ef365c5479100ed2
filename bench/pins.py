"""Lists of pins: `GET /pins`, first page, over a table of a million pins of one owner.

One client asks one question after the other; each is asked with many values, so that no page is in
a cache because it was asked for just before. The floor is one pin by its requestid.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable, Mapping
from itertools import cycle, islice

import aiohttp

from bench import held, pinset
from bench.figure import Figure, at_most, percentile, spread
from bench.scale import Scale
from bench.stage import Stage
from pinhole.contract.scopes import Scope
from pinhole.runtime.postgres import Pool, create_pool

_WARM_UP = 20
_BUDGET_MS = 10

# Which pins are asked for, by a number from 1 to as many as there are.
Question = Callable[[int], Mapping[str, str]]
QUESTIONS: Mapping[str, Question] = {
    "no filter": lambda _: {},
    "no filter, any page": lambda n: {"before": pinset.instant_of(n).isoformat()},
    "status=failed": lambda _: {"status": "failed"},
    "status, four of them": lambda _: {"status": "queued,pinning,pinned,failed"},
    "cid": lambda n: {"cid": str(pinset.cid_of(n))},
    "name": lambda n: {"name": pinset.name_of(n)},
    "name, iexact": lambda n: {"name": pinset.name_of(n).upper(), "match": "iexact"},
    "name, partial, common": lambda n: {"name": f"gate-{n % pinset.CAMERAS}/", "match": "partial"},
    "name, partial, rare": lambda n: {"name": f"frame-{n}", "match": "partial"},
    "name, ipartial, nowhere": lambda n: {"name": f"x{n}", "match": "ipartial"},
    "meta that all have": lambda _: _meta(kind="frame"),
    "meta of 2 %": lambda n: _meta(camera_id=f"gate-{n % pinset.CAMERAS}"),
    "meta of one batch, old or new": lambda n: _meta(batch=pinset.batch_of(n)),
    "meta of one pin": lambda n: _meta(event_id=f"event-{n}"),
    "meta, two pairs": lambda n: _meta(
        camera_id=f"gate-{n % pinset.CAMERAS}", label_status="unsure"
    ),
    "meta, and not pinned": lambda _: _meta(kind="frame") | {"status": "failed,queued"},
}


def _meta(**pairs: str) -> dict[str, str]:
    return {"meta": json.dumps(pairs)}


def measure(stage: Stage, scale: Scale) -> list[Figure]:
    """Return the rows of lists, the floor first."""
    return asyncio.run(_measure(stage, scale))


async def _measure(stage: Stage, scale: Scale) -> list[Figure]:
    url = stage.pinning
    async with await create_pool(stage.dsn, max_size=1) as pool:
        stage.say(f"writing {scale.pins:,} pins")
        async with pool.acquire() as connection:
            await pinset.fill_fast(connection, scale.pins)
        secret = await held.token_of(pool, pinset.NAME, Scope.PINS_READ)
        paths = await _requestids(pool, scale.list_calls + _WARM_UP)
    headers = {"Authorization": f"Bearer {secret}"}
    async with aiohttp.ClientSession(url, headers=headers) as session:
        floor = _figure("one pin by its requestid", await _times(session, paths), scale)
        return [floor] + [
            _figure(
                f"list: {name}",
                await _times(session, _queries(question, scale)),
                scale,
                beside=floor,
            )
            for name, question in QUESTIONS.items()
        ]


async def _requestids(pool: Pool, count: int) -> list[tuple[str, Mapping[str, str]]]:
    query = "SELECT requestid FROM pinning.pins ORDER BY requestid LIMIT $1"  # random ones: UUIDv4
    return [(f"/pins/{row['requestid']}", {}) for row in await pool.fetch(query, count)]


def _queries(question: Question, scale: Scale) -> list[tuple[str, Mapping[str, str]]]:
    numbers = random.Random(7).sample(range(1, scale.pins + 1), k=scale.list_calls + _WARM_UP)  # noqa: S311
    return [("/pins", question(number)) for number in numbers]


async def _times(
    session: aiohttp.ClientSession, calls: list[tuple[str, Mapping[str, str]]]
) -> list[float]:
    """Return the seconds of each call after the first few."""
    times_s = []
    for path, query in islice(cycle(calls), len(calls)):
        began = time.perf_counter()
        async with session.get(path, params=query) as answer:
            assert answer.status == 200, await answer.text()
            await answer.read()
        times_s.append(time.perf_counter() - began)
    return times_s[_WARM_UP:]


def _figure(
    name: str, times_s: list[float], scale: Scale, *, beside: Figure | None = None
) -> Figure:
    return Figure(
        name=name,
        value=percentile(times_s, 95) * 1e3,
        unit="ms (p95)",
        source=f"GET → last byte, one client, {scale.pins:,} pins of one owner",
        beside=beside,
        budgets=[at_most(_BUDGET_MS)] if beside is not None else [],
        details=spread(times_s),
    )
