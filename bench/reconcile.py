"""Reconciling a million pins: how long, and that memory does not grow with their number.

The ledger's rows are made by PostgreSQL; the node's two lists come from `bench.listed`. Beside it:
reading the same two lists line by line and doing nothing with them.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import aiohttp

from bench.figure import Figure, at_most
from bench.scale import Scale
from bench.stage import Stage
from pinhole.contract.reconciliation import Reconciliation, RunState
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool, create_pool
from pinhole.stack.ports import LOOPBACK, unused_port
from pinhole.stack.program import Program, running
from pinhole.stack.topology import answers
from pinning.reconciling import runs

_FEW = 20  # the first run is of so many times fewer
# What a list of a million CIDs would take at least in Python; lists must not be kept.
MOST_GROWTH_MB = 40.0

FILL = """
    INSERT INTO pinning.blocks (cid, is_tree, size_bytes, held_at)
    SELECT '\\x01551220'::bytea || sha256(n::text::bytea), false, 200000, now() - interval '1 day'
    FROM generate_series($1::bigint, $2::bigint) AS n
"""


def measure(stage: Stage, scale: Scale) -> list[Figure]:
    """Return the rows of reconciling."""
    return asyncio.run(_measure(stage, scale.reconciled_pins))


async def _measure(stage: Stage, count: int) -> list[Figure]:
    async with await create_pool(stage.dsn, max_size=1, command_timeout_s=300) as pool:
        few = count // _FEW
        await pool.execute(FILL, 1, few)
        # One service after the other: whichever is there takes a run up.
        with _service(stage, few) as (pid, _):
            first = await _run(pool, few, pid)
        await pool.execute(FILL, few + 1, count)
        await pool.execute("VACUUM ANALYZE pinning.blocks")
        with _service(stage, count) as (pid, url):
            second = await _run(pool, count, pid)
            read_s = await _read(url)
    return _figures(count, read_s, first, second)


@contextmanager
def _service(stage: Stage, count: int) -> Iterator[tuple[int, str]]:
    """Run a pinning service on a stand-in node that lists `count` pins: its pid, the node's URL."""
    port, service_port = unused_port(), unused_port()
    name = f"listed-{count}"
    stand_in = Program(
        name=name,
        argv=(sys.executable, "-m", "bench.listed", str(port), str(count)),
        cwd=Path(__file__).parents[1],
        log=stage.topology.layout.log(name),
        ready=answers(port, "/"),
        start_within_s=120,
    )
    stage.start(stand_in)
    url = f"http://{LOOPBACK}:{port}"
    usual = stage.topology.pinning()
    own = {
        "PINNING_PORT": str(service_port),
        "PINNING_KUBO_RPC_URL": url,
        "PINNING_RECONCILE_HOUR": "-1",
    }
    program = Program(
        name=f"pinning-{count}",
        argv=usual.argv,
        env={**usual.env, **own},
        cwd=usual.cwd,
        log=stage.topology.layout.log(f"pinning-{count}"),
        ready=answers(service_port, "/healthz"),
    )
    with running(program) as process:
        yield process.pid, url


@dataclass(frozen=True)
class _Run:
    """How one run went."""

    seconds: float
    before_mb: float
    peak_mb: float


async def _run(pool: Pool, count: int, pid: int) -> _Run:
    before_mb = await asyncio.to_thread(_memory_mb, pid, "VmRSS")
    began = time.perf_counter()
    run_id = await runs.request(
        pool, "bench", repair=False, remove_orphans=False, max_share=0.05, sample_blocks=0
    )
    while not (run := await _found(pool, run_id)).is_over:  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    seconds = time.perf_counter() - began
    assert run.state is RunState.DONE, run
    assert (run.node_pins, run.node_blocks, run.counts) == (count, count, {}), run
    return _Run(seconds, before_mb, await asyncio.to_thread(_memory_mb, pid, "VmHWM"))


async def _found(pool: Pool, run_id: UUID) -> Reconciliation:
    run = await runs.find(pool, run_id)
    assert run is not None
    return run


async def _read(url: str) -> float:
    """Return the seconds that reading the two lists takes."""
    async with aiohttp.ClientSession() as session:
        rpc = KuboRpc(session, url)
        began = time.perf_counter()
        async for _ in rpc.pin_texts(kind="direct", timeout_s=600):
            pass
        async for _ in rpc.blocks():
            pass
        return time.perf_counter() - began


def _memory_mb(pid: int, what: str) -> float:
    """Return VmRSS (now) or VmHWM (the most so far). Source: man 5 proc."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith(f"{what}:")]
    return int(line.split()[1]) / 1000


def _figures(count: int, read_s: float, few: _Run, many: _Run) -> list[Figure]:
    reading = Figure(
        name="reading the node's two lists, nothing else",
        value=read_s,
        unit="s",
        source=f"{count:,} pins and {count:,} blocks, streamed as Kubo does",
    )
    return [
        reading,
        Figure(
            name=f"reconciling {count:,} pins and blocks",
            value=many.seconds,
            unit="s",
            source="asked for → done: listed, sorted and compared by PostgreSQL, nothing differs",
            beside=reading,
            details={"seconds_of_a_twentieth": round(few.seconds, 1)},
        ),
        Figure(
            name="memory that the service takes for it",
            value=many.peak_mb - many.before_mb,
            unit="MB",
            source=f"most resident during the run less resident before; for {count // _FEW:,} "
            f"pins it was {few.peak_mb - few.before_mb:.0f} MB",
            budgets=[at_most(MOST_GROWTH_MB)],
            details={
                "before_mb": round(many.before_mb, 1),
                "peak_mb": round(many.peak_mb, 1),
                "growth_for_a_twentieth_mb": round(few.peak_mb - few.before_mb, 1),
            },
        ),
    ]
