"""The pipeline's rate: frames made beforehand, from their events to detections of all of them.

The frames lie at a camera's Kubo. Their signed events arrive in batches; then pinning fetches and
pins, the detector looks, the dashboard records. Beside it the same pictures through decoder and
model alone, on the same cores.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from bench import held, load, pictures, senders
from bench.figure import Figure, ratio_at_least
from bench.load import Plan
from bench.scale import Scale
from bench.stage import Stage
from pinhole.contract.cid import Cid
from pinhole.contract.pins import Origin
from pinhole.runtime.postgres import Pool, create_pool
from pinhole.stack.ports import LOOPBACK

SIZE_BYTES = 200_000
BATCH = 100
TIMEOUT_S = 240.0
ENDED = """
    SELECT count(*) FROM dashboard.frames
    WHERE camera_id = $1 AND analysis_state <> 'waiting' AND bytes_state = 'pinned'
"""
DETECTED = (
    "SELECT count(*) FROM dashboard.frames WHERE camera_id = $1 AND analysis_state = 'detected'"
)
SPAN = """
    SELECT extract(epoch FROM max(analysed_at) - min(received_at))::float8
    FROM dashboard.frames WHERE camera_id = $1
"""


def measure(stage: Stage, scale: Scale) -> list[Figure]:
    """Return the rows of the pipeline, the model alone first."""
    scenes = pictures.rendered(20)
    made = _different(scenes, scale.pipeline_frames)
    alone = _alone(stage, made)
    _ = stage.pinning, stage.yolo, stage.dashboard
    few = max(20, len(made) // 10)
    asyncio.run(_run(stage, "warm-up", _different(scenes, few)))
    seconds = asyncio.run(_run(stage, "pipeline", made))
    rate = Figure(
        name="whole pipeline",
        value=len(made) / seconds,
        unit="frames/s",
        source=(
            "first event received → last detections recorded; 720p JPEGs of 200 KB,"
            " camera's Kubo, hub's Kubo, PostgreSQL and all services on the same cores"
        ),
        beside=alone,
        budgets=[ratio_at_least(0.80)],
        details={"frames": len(made), "seconds": round(seconds, 2)},
    )
    return [alone, rate]


def _different(scenes: Sequence[bytes], count: int) -> list[bytes]:
    endless = [pictures.of_size(SIZE_BYTES, scene) for scene in scenes]
    return [next(endless[number % len(endless)]) for number in range(count)]


def _alone(stage: Stage, made: Sequence[bytes]) -> Figure:
    directory = stage.home / "pictures"
    directory.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(made):
        (directory / f"{number:06}.jpg").write_bytes(picture)
    said = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "bench.alone", str(directory)],
        env={**os.environ, **stage.topology.yolo().env},
        cwd=Path(__file__).parents[1],
        check=True,
        capture_output=True,
    ).stdout
    took = json.loads(said)
    return Figure(
        name="decode + model alone",
        value=took["pictures"] / took["seconds"],
        unit="frames/s",
        source="JPEG in memory → reduced decoding → model → boxes, on every core",
        details=took,
    )


async def _run(stage: Stage, name: str, made: Sequence[bytes]) -> float:
    """Return the seconds from the first event to the last detections."""
    cids = await held.put_all(stage.camera_node, None, made)
    camera = senders.camera(name)
    node = stage.camera_node
    origin = Origin(gateway_url=node.gateway_url, peer_id=node.peer_id)
    async with await create_pool(stage.dsn, max_size=2) as pool:
        camera_id = await camera.enrol(pool, origin)
        await _until(pool, "SELECT count(*) FROM pinning.origins WHERE owner = $1", camera, 1)
        await asyncio.to_thread(_deliver, stage, camera, cids)
        await _until(pool, ENDED, camera_id, len(cids))
        detected = await pool.fetchval(DETECTED, camera_id)
        if detected != len(cids):
            raise RuntimeError(f"only {detected} of {len(cids)} frames have detections")
        span_s: float = await pool.fetchval(SPAN, camera_id)
    return span_s


def _deliver(stage: Stage, camera: senders.Sender, cids: Sequence[Cid]) -> None:
    """Send the events in batches, one after the other, as a camera that was cut off does."""
    events = (camera.event(cid, SIZE_BYTES) for cid in cids)
    script = []
    while batch := list(islice(events, BATCH)):
        script.append(camera.batch(batch))
    target = urlsplit(stage.dashboard)
    plan = Plan(
        host=LOOPBACK, port=target.port or 80, scripts=[script], seconds=60, warm_up_share=0
    )
    result = load.run(plan)
    if result.failures or result.requests != len(script):
        raise RuntimeError(f"deliveries were not taken: {result.statuses}")


async def _until(pool: Pool, query: str, about: object, wanted: int) -> None:
    owner = f"camera:{senders.SITE}/{about.name}" if isinstance(about, senders.Sender) else about
    deadline = time.monotonic() + TIMEOUT_S
    while (count := await pool.fetchval(query, owner)) < wanted:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{count} of {wanted} after {TIMEOUT_S:g} s")
        await asyncio.sleep(0.1)
