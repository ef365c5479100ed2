"""Bytes of each message, in reference and in binary mode, as they are on the wire."""

import asyncio
import base64
from itertools import islice

import aiohttp

from bench import held, pictures, senders
from bench.figure import Figure, at_most
from bench.scale import Scale
from bench.stage import Stage
from pinhole.contract.cid import Cid
from pinhole.contract.detection import (
    Detection,
    InferenceAnswer,
    InferenceRequest,
    ModelId,
    Timings,
)
from pinhole.contract.scopes import Scope
from pinhole.runtime.postgres import create_pool

SIZE_BYTES = 187_500
"""A picture whose base64 has 250 KB: what a message carries today."""
BOXES = 5
_HEAD_END = b"\r\n\r\n"


def measure(stage: Stage, scale: Scale) -> list[Figure]:
    """Return the rows of message sizes."""
    del scale
    picture = next(islice(pictures.of_size(SIZE_BYTES, pictures.rendered(1)[0]), 1))
    camera = senders.camera("street-1")
    camera.seq = 100_000  # a day at a frame a second
    camera.prev = Cid.of(b"").sha256
    delivery = camera.single(camera.event(Cid.of(picture), SIZE_BYTES))
    event_bytes = len(delivery.split(_HEAD_END, 1)[1])
    asked, answered, annotated = asyncio.run(_binary(stage, picture))
    reference = _bytes("binary mode: inference request", asked, "JSON with the picture as base64")
    return [
        reference,
        _bytes("binary mode: answer with the annotated picture", annotated, "on request only"),
        _bytes("binary mode: answer", answered, "detections, image_hash, image_path"),
        Figure(
            name="reference mode: event",
            value=event_bytes,
            unit="bytes",
            source="the body of one signed webhook, without attributes",
            beside=reference,
            budgets=[at_most(700)],
        ),
        _bytes("reference mode: the whole request", len(delivery), "with HTTP's own headers"),
        Figure(
            name="reference mode: inference request",
            value=len(InferenceRequest(cid=Cid.of(picture)).wire()),
            unit="bytes",
            source="by CID",
            beside=reference,
        ),
        Figure(
            name=f"reference mode: inference answer, {BOXES} boxes",
            value=len(_answer(Cid.of(picture)).wire()),
            unit="bytes",
            source="every field of an answer by CID, longest usual numbers",
            beside=reference,
            budgets=[at_most(1_000)],
        ),
    ]


def _bytes(name: str, size: int, source: str) -> Figure:
    return Figure(name=name, value=size, unit="bytes", source=source)


async def _binary(stage: Stage, picture: bytes) -> tuple[int, int, int]:
    """Return the bytes of a request by value, of its answer, and of one with the picture in it."""
    _ = stage.pinning
    async with await create_pool(stage.dsn, max_size=1) as pool:
        token = await held.token_of(pool, "bench-messages", Scope.INFERENCE)
    await stage.tell_the_detector()
    encoded = base64.b64encode(picture).decode()
    plain = InferenceRequest(image=encoded).wire()
    drawn = InferenceRequest(image=encoded, annotated=True).wire()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(stage.yolo, headers=headers) as session:
        sizes = []
        for body in (plain, drawn):
            async with session.post("/api/v1/inference", data=body) as answer:
                assert answer.status == 200, await answer.text()
                sizes.append(len(await answer.read()))
    return len(plain), sizes[0], sizes[1]


def _answer(cid: Cid) -> InferenceAnswer:
    boxes = [
        Detection(
            xyxy_px=(1234.5 - number, 1010.5, 1888.5, 1078.5 - number),
            confidence=0.9876 - number / 100,
            class_id=2,
            class_name="license_plate" if number % 2 else "car",
        )
        for number in range(BOXES)
    ]
    return InferenceAnswer(
        detections=boxes,
        width_px=1920,
        height_px=1080,
        model=ModelId(name="pinhole-demo", digest=cid.sha256),
        timings_ms=Timings(fetch=12.34, decode=12.34, infer=123.45),
        cid=cid,
        image_hash=cid.sha256,
        image_path=f"ipfs://{cid}",
        storage_mode="reference",
    )
