"""The detector's routes. Reading and writing HTTP; the work is `Inference`'s."""

import asyncio
from typing import Final

from aiohttp import web
from pydantic import ValidationError

from pinhole.contract.detection import (
    InferenceAnswer,
    InferenceBatchAnswer,
    InferenceBatchRequest,
    InferenceRequest,
)
from pinhole.contract.errors import Refused, Unprocessable
from pinhole.contract.message import Message
from pinhole.contract.owners import Owner
from pinhole.contract.scopes import Scope
from pinhole.runtime.http import json_answer, json_body, read_limited
from pinhole.runtime.tokens import require
from yolo_fetcher.inference import Inference
from yolo_fetcher.loaded import LoadedModels
from yolo_fetcher.settings import YoloSettings
from yolo_fetcher.uploads import bytes_of, json_limit_bytes, read_form

INFERENCE = web.AppKey("inference", Inference)
MODELS = web.AppKey("models", LoadedModels)
SETTINGS = web.AppKey("settings", YoloSettings)

# 64 CIDs and 1,024 class ids are under 12 KB.
_MAX_BATCH_BYTES: Final = 65_536
# Parsing 6.7 MB of base64 takes 15 ms; below this it takes less than handing it to a thread.
_PARSE_HERE_BYTES: Final = 65_536


class UnsupportedMediaType(Refused):
    """The body's type is none that the route reads."""

    reason = "UNSUPPORTED_MEDIA_TYPE"
    status = 415


class ModelInfo(Message):
    """A model of the catalogue."""

    name: str
    digest: str
    input_width_px: int
    input_height_px: int
    end_to_end: bool
    classes: dict[int, str]
    runs_on: str | None = None
    """Device and arithmetic; absent while the model is not loaded."""


class ModelsAnswer(Message):
    """The catalogue, and which model answers where a request names none."""

    default: str
    models: list[ModelInfo]


routes = web.RouteTableDef()


@routes.post("/api/v1/inference")
async def post_inference(request: web.Request) -> web.Response:
    """Answer what is in one picture: by CID, base64 or data URI (JSON), or multipart."""
    token = await require(request, Scope.INFERENCE)
    owner = Owner.token(token.name)
    async with request.app[INFERENCE].turn():
        match request.content_type:
            case "application/json":
                answer = await _of_json(request, owner)
            case "multipart/form-data":
                answer = await _of_form(request, owner)
            case other:
                raise UnsupportedMediaType(
                    f"the body is {other}; application/json and multipart/form-data are read"
                )
    return _answer(answer)


@routes.post("/api/v1/inference/batch")
async def post_batch(request: web.Request) -> web.Response:
    """Answer what is in each of many stored frames, in the order asked."""
    await require(request, Scope.INFERENCE)
    asked = await json_body(request, InferenceBatchRequest, _MAX_BATCH_BYTES)
    return _answer(await request.app[INFERENCE].of_frames(asked.cids, asked.options))


@routes.get("/api/v1/models")
async def get_models(request: web.Request) -> web.Response:
    """Answer the catalogue."""
    await require(request, Scope.INFERENCE)
    models = request.app[MODELS]
    infos = [
        ModelInfo(
            name=model.id.name,
            digest=model.id.digest,
            input_width_px=model.input_hw[1],
            input_height_px=model.input_hw[0],
            end_to_end=model.end_to_end,
            classes=dict(model.class_names),
            runs_on=models.runs_on(model),
        )
        for model in await models.catalogue()
    ]
    return json_answer(ModelsAnswer(default=request.app[SETTINGS].model, models=infos))


async def _of_json(request: web.Request, owner: Owner) -> InferenceAnswer:
    limit_bytes = request.app[SETTINGS].max_upload_bytes
    body = await read_limited(request, json_limit_bytes(limit_bytes))
    if len(body) <= _PARSE_HERE_BYTES:
        asked, data = _parse(body, limit_bytes)
    else:
        asked, data = await asyncio.to_thread(_parse, body, limit_bytes)
    inference = request.app[INFERENCE]
    if asked.cid is not None:
        return await inference.of_frame(asked.cid, asked.options)
    return await inference.of_upload(data, asked.options, owner)


async def _of_form(request: web.Request, owner: Owner) -> InferenceAnswer:
    upload = await read_form(request, request.app[SETTINGS].max_upload_bytes)
    return await request.app[INFERENCE].of_upload(upload.data, upload.options, owner)


def _parse(body: bytes, limit_bytes: int) -> tuple[InferenceRequest, bytes]:
    """Return the request and, in binary mode, the picture's bytes."""
    try:
        asked = InferenceRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(step) for step in first["loc"]) or "body"
        raise Unprocessable(f"{path}: {first['msg'].removeprefix('Value error, ')}") from error
    return asked, b"" if asked.image is None else bytes_of(asked.image, limit_bytes)


def _answer(message: InferenceAnswer | InferenceBatchAnswer) -> web.Response:
    # Only what was set goes out, so a null that was meant (`image_hash` of an upload that could
    # not be stored) is told, and all that does not apply costs no bytes.
    return web.Response(
        body=message.model_dump_json(exclude_unset=True).encode(), content_type="application/json"
    )
