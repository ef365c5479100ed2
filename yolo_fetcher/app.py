"""The detector's composition root: which parts there are and what holds them together."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import cv2
from aiohttp import ClientSession, web

from pinhole.contract.errors import PinholeError
from pinhole.runtime.health import SUPERVISOR
from pinhole.runtime.http import client_session
from pinhole.runtime.kubo import TrustlessGateway
from pinhole.runtime.service import new_app, supervise
from pinhole.runtime.tokens import TOKENS, FileTokens
from yolo_fetcher import api
from yolo_fetcher.batcher import Batcher
from yolo_fetcher.decode import Limits
from yolo_fetcher.detectors import load
from yolo_fetcher.fetch import Frames
from yolo_fetcher.inference import Inference
from yolo_fetcher.loaded import LoadedModels
from yolo_fetcher.settings import YoloSettings
from yolo_fetcher.storage import BlockStore

logger = logging.getLogger(__name__)

SESSION = web.AppKey("session", ClientSession)
DECODERS = web.AppKey("decoders", ThreadPoolExecutor)
BATCHER = web.AppKey("batcher", Batcher)


def make_app(settings: YoloSettings) -> web.Application:
    """Return the detector's application; it does no I/O until it is started."""
    app = new_app("yolo_fetcher")
    app[api.SETTINGS] = settings
    app[TOKENS] = FileTokens(settings.tokens_file)
    app[api.MODELS] = LoadedModels(
        settings.models_dir,
        settings.model,
        partial(load, settings),
        keep=settings.max_loaded_models,
    )
    app.add_routes(api.routes)
    app.cleanup_ctx.extend((_session, _decoders, _batcher, _inference, supervise))
    return app


async def _session(app: web.Application) -> AsyncIterator[None]:
    settings = app[api.SETTINGS]
    if not await asyncio.to_thread(settings.tokens_file.is_file):
        raise PinholeError(
            f"YOLO_TOKENS_FILE: there is no file {settings.tokens_file}", reason="BAD_SETTINGS"
        )
    async with client_session(connections=2 * settings.fetch_concurrency) as session:
        app[SESSION] = session
        yield


async def _decoders(app: web.Application) -> AsyncIterator[None]:
    # One picture, one thread: OpenCV's own threads would contend with the model's for the cores.
    cv2.setNumThreads(1)
    threads = app[api.SETTINGS].decode_threads or os.cpu_count() or 1
    app[DECODERS] = ThreadPoolExecutor(threads, "decode")
    yield
    app[DECODERS].shutdown(wait=False, cancel_futures=True)


async def _batcher(app: web.Application) -> AsyncIterator[None]:
    """Load the default model, which says how many lanes are worth while."""
    settings = app[api.SETTINGS]
    default = await app[api.MODELS].get(None)
    lanes = default.detector.traits.lanes
    logger.info(
        "%s (%s) runs on %s, %d at a time",
        default.model.id.name,
        default.model.id.digest,
        default.detector.traits.runs_on,
        lanes,
    )
    executor = ThreadPoolExecutor(lanes, "infer")
    app[BATCHER] = Batcher(settings.queue_pictures, lanes, executor)
    for lane in range(lanes):
        app[SUPERVISOR].start(
            f"inference lane {lane}",
            app[BATCHER].run_lane,
            stalls_after_s=settings.stalls_after_s,
        )
    yield
    # Not waited for: this is the event loop, and an inference that hangs is never over.
    executor.shutdown(wait=False, cancel_futures=True)


async def _inference(app: web.Application) -> AsyncIterator[None]:
    settings = app[api.SETTINGS]
    session = app[SESSION]
    token = settings.pinning_token
    app[api.INFERENCE] = Inference(
        app[api.MODELS],
        app[BATCHER],
        Frames(
            TrustlessGateway(session, settings.hub_gateway_url),
            limit_bytes=settings.max_upload_bytes,
            timeout_s=settings.fetch_timeout_s,
            at_once=settings.fetch_concurrency,
        ),
        BlockStore(
            session,
            settings.pinning_url,
            token.get_secret_value(),
            timeout_s=settings.storage_timeout_s,
        )
        if token is not None
        else None,
        app[DECODERS],
        limits=Limits(settings.max_upload_bytes, settings.max_pixels),
        deadline_s=settings.deadline_s,
    )
    yield
