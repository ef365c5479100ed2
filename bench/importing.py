"""A file tree's way into the hub: `pinhole import`, from its start to its end.

Pictures of 100 KB lie in the layout of an existing store. Beside it: reading and hashing the same
files alone, the node's own block/put and pin of as many blocks, and the same bytes through the
service's HTTP. The files were written just before, so they come from memory and not from a disk.
"""

import asyncio
import hashlib
import io
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import aiohttp

from bench import pictures
from bench.figure import Figure, at_least, at_most
from bench.scale import Scale
from bench.stage import Stage
from pinhole.contract.cid import Cid
from pinhole.contract.owners import OWNER_HEADER
from pinhole.runtime.kubo import KuboRpc
from pinning.hub import PUT_TOGETHER
from pinning.importing.chunks import FILES
from pinning.importing.importer import CHUNKS
from pinning.keeper import LANES
from pinning.tree import path_of

SIZE_BYTES = 100_000
OWNER = "token:file-store"
# The command itself; whether its entry point is installed does not matter here.
COMMAND = """
import argparse, sys
from pinning.importing.commands import register
parser = argparse.ArgumentParser()
register(parser.add_subparsers(required=True))
arguments = parser.parse_args()
sys.exit(arguments.run(arguments))
"""


def measure(stage: Stage, scale: Scale) -> list[Figure]:
    """Return the rows of the import, floors first."""
    _ = stage.dsn, stage.hub
    files = _tree(stage.home / "tree", scale.imported_files)
    reading = _figure("reading and hashing alone", _reading(files), len(files))
    own = _figure(
        "the node's own block/put + pin",
        asyncio.run(_node(stage, scale.imported_files)),
        scale.imported_files,
    )
    ran = _import(stage, stage.home / "tree")
    pushed = asyncio.run(_pushed(stage, scale.imported_files // 2))
    return [
        reading,
        own,
        _figure("POST /api/v1/blocks, no pin", pushed, scale.imported_files // 2),
        Figure(
            name="import",
            value=len(files) / ran.seconds,
            unit="files/s",
            source="`pinhole import` of files of 100 KB: walked, read, verified, put, pinned, "
            "recorded with its place; the start of the process included",
            beside=own,
            budgets=[at_least(500)],
            details={
                "files": len(files),
                "seconds": round(ran.seconds, 2),
                "cpu_us": round(ran.cpu_s / len(files) * 1e6, 1),
            },
        ),
        Figure(
            name="import, memory",
            value=ran.peak_bytes / 1e6,
            unit="MB",
            source="largest resident set of that process",
            budgets=[at_most(160)],
        ),
    ]


def _tree(root: Path, count: int) -> list[Path]:
    """Write `count` different pictures as an existing store has them; return their paths."""
    paths = []
    for data in islice(
        pictures.of_size(SIZE_BYTES, pictures.rendered(1, below_bytes=90_000)[0]), count
    ):
        path = root / path_of(Cid.of(data))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        paths.append(path)
    return paths


def _figure(name: str, seconds: float, files: int) -> Figure:
    return Figure(
        name=name,
        value=files / seconds,
        unit="files/s",
        source=_SOURCES[name],
        details={"files": files, "seconds": round(seconds, 2)},
    )


_SOURCES = {
    "reading and hashing alone": f"{CHUNKS} threads, SHA-256 of each whole file",
    "the node's own block/put + pin": f"{LANES} times {FILES} blocks at once: put, then one "
    "pin/add for all; nothing read, verified or recorded",
    "POST /api/v1/blocks, no pin": "the same files through the service, 16 at once: kept for 24 h, "
    "no pin, no place written",
}


def _reading(files: Sequence[Path]) -> float:
    def one(path: Path) -> bytes:
        return hashlib.sha256(path.read_bytes()).digest()

    with ThreadPoolExecutor(CHUNKS) as threads:
        began = time.perf_counter()
        for _ in threads.map(one, files):
            pass
        return time.perf_counter() - began


async def _node(stage: Stage, count: int) -> float:
    """Put and pin `count` new blocks; return the seconds."""
    token = stage.service_secret("pinning", "pinning_kubo_rpc_token")
    like = pictures.rendered(1, below_bytes=90_000)[0]
    made = list(islice(pictures.of_size(SIZE_BYTES, like), count))
    batches = [made[start : start + FILES] for start in range(0, count, FILES)]
    async with aiohttp.ClientSession() as session:
        rpc = KuboRpc(session, stage.hub.rpc_url, token=token)

        async def lane() -> None:
            while batches:
                batch = batches.pop()
                groups = [batch[at : at + PUT_TOGETHER] for at in range(0, FILES, PUT_TOGETHER)]
                stored = await asyncio.gather(*map(rpc.block_put_many, filter(None, groups)))
                await rpc.pin_add([cid for cids in stored for cid in cids], offline=True)

        began = time.perf_counter()
        await asyncio.gather(*(lane() for _ in range(LANES)))
        return time.perf_counter() - began


@dataclass(frozen=True)
class Ran:
    """What one import took."""

    seconds: float
    cpu_s: float
    peak_bytes: float


def _import(stage: Stage, tree: Path) -> Ran:
    """Import the tree as an operator does."""
    environment = {**os.environ, **stage.topology.pinning().env}
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    before_s = usage.ru_utime + usage.ru_stime
    began = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 - our own command
        (sys.executable, "-c", COMMAND, "import", str(tree), "--owner", OWNER),
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    peak_bytes = 0.0
    while process.poll() is None:
        peak_bytes = max(peak_bytes, _peak_bytes(process.pid))
        time.sleep(0.05)
    seconds = time.perf_counter() - began
    assert process.returncode == 0, process.returncode
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Ran(seconds, usage.ru_utime + usage.ru_stime - before_s, peak_bytes)


def _peak_bytes(pid: int) -> float:
    """Return the most that a process had resident so far, 0 where it has ended."""
    # Not its `ru_maxrss`: that begins with what the process that started it had.
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return float(found[1]) * 1024 if found else 0.0


async def _pushed(stage: Stage, count: int) -> float:
    """Push new pictures through the service; return the seconds."""
    token = stage.service_secret("dashboard", "dashboard_pinning_token")
    headers = {"Authorization": f"Bearer {token}", OWNER_HEADER: OWNER}
    like = pictures.rendered(1, below_bytes=90_000)[0]
    waiting = list(islice(pictures.of_size(SIZE_BYTES, like), count))
    async with aiohttp.ClientSession(stage.pinning, headers=headers) as session:

        async def sender() -> None:
            while waiting:
                data = io.BytesIO(waiting.pop())
                async with session.post("/api/v1/blocks", data=data) as answer:
                    assert answer.status == 200, await answer.text()

        began = time.perf_counter()
        await asyncio.gather(*(sender() for _ in range(16)))
        return time.perf_counter() - began
