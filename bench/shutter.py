"""From the shutter: a real camera process to pinned at the hub, and to boxes at a viewer.

A film plays in real time, as a camera delivers: five 720p frames a second are encoded, stored,
spooled (fsync), signed, sent, committed, fetched, pinned, inferred and shown. Times count from the
instant at which the camera has the pixels.
"""

import asyncio
import json
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from bench import held, pictures
from bench.figure import Figure, at_most, spread
from bench.scale import Scale
from bench.stage import Stage
from pinhole.contract.scopes import Scope
from pinhole.runtime.postgres import create_pool
from pinhole.stack import enrol, sources
from pinhole.stack.topology import SITE

FPS = 5
# As many bytes as the other rows' frames: the scenes' noise costs 380 KB at quality 90.
QUALITY = 65
SPARE_S = 15
Times = dict[str, tuple[float, float]]

PINNED = """
    SELECT extract(epoch FROM received_at - captured_at)::float8 AS received_s,
           extract(epoch FROM pinned_at - captured_at)::float8 AS pinned_s, size_bytes
    FROM dashboard.frames WHERE pinned_at IS NOT NULL ORDER BY frame_id
"""


def measure(stage: Stage, scale: Scale) -> list[Figure]:
    """Return the rows that begin at the shutter."""
    # Longer than the watch: a film that begins again repeats its frames, which are known by then.
    stage.home.mkdir(parents=True, exist_ok=True)
    film = pictures.film(stage.home / "street.avi", scale.captured_frames + SPARE_S * FPS, FPS)
    stage.sources = sources.parse([f"file:{film}"])
    _ = stage.pinning, stage.yolo, stage.dashboard
    (camera,) = stage.topology.cameras
    stage.adopt(camera.node)
    asyncio.run(enrol.enrol(stage.topology, camera, stage.say))
    program = stage.topology.camera(camera, FPS)
    stage.start(replace(program, env={**program.env, "CAMERA_JPEG_QUALITY": str(QUALITY)}))
    seen, model_s = asyncio.run(_watch(stage, scale.captured_frames))
    return asyncio.run(_figures(stage, seen, model_s * 1e3))


async def _watch(stage: Stage, count: int) -> tuple[list[float], float]:
    """Return the seconds from capture to boxes at a viewer of each frame, and those of the model.

    The first second is the warm-up: connections open, the model's first inference.
    """
    async with await create_pool(stage.dsn, max_size=1) as pool:
        token = await held.token_of(pool, "bench-viewer", Scope.FRAMES_READ)
    seen: dict[int, float] = {}
    warm: Times = {}
    headers = {"Authorization": f"Bearer {token}"}
    timeout = aiohttp.ClientTimeout(total=60 + 4 * count / FPS)
    async with (
        aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
        session.get(f"{stage.dashboard}/api/v1/live") as answer,
    ):
        assert answer.status == 200, await answer.text()
        async for line in answer.content:
            if line.startswith(b"data:"):
                _note(json.loads(line[5:]), time.time(), seen)
            if len(seen) >= count + FPS:
                break
            if len(seen) == FPS and not warm:
                warm = await _model_s(session, stage)
        return list(seen.values())[FPS:], _mean_s(warm, await _model_s(session, stage))


def _note(frame: dict[str, object], now: float, seen: dict[int, float]) -> None:
    frame_id = frame.get("frame_id")
    if frame.get("analysis_state") == "detected" and isinstance(frame_id, int):
        captured_at = datetime.fromisoformat(str(frame["captured_at"]))
        seen.setdefault(frame_id, now - captured_at.timestamp())


async def _figures(stage: Stage, seen: list[float], model_ms: float) -> list[Figure]:
    async with await create_pool(stage.dsn, max_size=1) as pool:
        rows = (await pool.fetch(PINNED))[FPS:]
        enrolled = await pool.fetchval(
            "SELECT count(*) FROM dashboard.cameras WHERE site = $1", SITE
        )
        different = await pool.fetchval("SELECT count(DISTINCT digest) FROM dashboard.frames")
    if enrolled != 1 or different < len(rows):
        raise RuntimeError(f"{enrolled} cameras, {different} different frames of {len(rows)}")
    received = spread([row["received_s"] for row in rows])
    pinned = spread([row["pinned_s"] for row in rows])
    pinned["mean_bytes"] = round(sum(row["size_bytes"] for row in rows) / len(rows))
    visible = spread(seen)
    return [
        _p50("shutter → received", received, "encode, Kubo, spool (fsync), webhook", ()),
        _p50("shutter → pinned, p50", pinned, "the same, commit, queue, fetch, pin", (25,)),
        Figure(
            name="shutter → pinned, p99",
            value=pinned["p99_ms"],
            unit="ms",
            source="the same frames; deployments today: 20-65 ms on base64",
            budgets=[at_most(65)],
            details=pinned,
        ),
        Figure(
            name="decode + inference, mean",
            value=model_ms,
            unit="ms",
            source="the detector's own metrics over the same frames",
        ),
        _p50("shutter → boxes at a viewer, p50", visible, "… to the server-sent event", ()),
        Figure(
            name="boxes at a viewer, beyond decode + inference",
            value=visible["p50_ms"] - model_ms,
            unit="ms",
            source="p50 less that mean; the viewer is a program: drawing is the browser's",
            budgets=[at_most(60)],
        ),
    ]


async def _model_s(session: aiohttp.ClientSession, stage: Stage) -> Times:
    """Return (seconds, pictures) so far of each stage that decoding and inference consist of."""
    async with session.get(f"{stage.yolo}/metrics") as answer:
        families = text_string_to_metric_families(await answer.text())
        (family,) = (one for one in families if one.name == "pinhole_yolo_stage_seconds")
    values = {
        (one.name.rsplit("_", 1)[1], one.labels["stage"]): one.value for one in family.samples
    }
    return {name: (values["sum", name], values["count", name]) for name in ("decode", "infer")}


def _mean_s(before: Times, after: Times) -> float:
    return sum(
        (after[name][0] - before[name][0]) / (after[name][1] - before[name][1]) for name in after
    )


def _p50(name: str, details: dict[str, float], what: str, limits: Iterable[float]) -> Figure:
    return Figure(
        name=name,
        value=details["p50_ms"],
        unit="ms",
        source=f"{what}; {FPS} frames/s of one camera process",
        budgets=[at_most(limit) for limit in limits],
        details=details,
    )
