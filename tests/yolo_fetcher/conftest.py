"""A running detector for each test, with the real hub and pinning service beside it."""

import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from pinhole.contract.cid import Cid
from pinhole.contract.scopes import Scope
from pinhole.runtime.http import client_session
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool
from pinhole.runtime.tokens import create_token, mint, write_tokens
from pinhole.stack.kubo_node import KuboNode
from pinning.app import make_app as make_pinning
from pinning.settings import PinningSettings
from tests.yolo_fetcher.pictures import encoded
from yolo_fetcher.api import MODELS
from yolo_fetcher.app import make_app
from yolo_fetcher.detector import Detector
from yolo_fetcher.detectors import load
from yolo_fetcher.letterbox import Pixels
from yolo_fetcher.loaded import LoadedModels
from yolo_fetcher.models import ExportedModel
from yolo_fetcher.settings import Backend, YoloSettings

Client = TestClient[web.Request, web.Application]
Serve = Callable[[web.Application], Awaitable[str]]
"""Serves an application until the test ends; returns its address."""


class StartYolo(Protocol):
    """The `start_yolo` fixture."""

    async def __call__(self, app: web.Application | None = None, **settings: Any) -> Client:
        """Start a detector that ends with the test; its client carries a valid token."""


@pytest.fixture(scope="session")
def second_photo() -> bytes:
    """Give ultralytics' other photograph, 1280 x 720 px."""
    spec = importlib.util.find_spec("ultralytics")
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / "assets" / "zidane.jpg").read_bytes()


@pytest.fixture
async def running() -> AsyncIterator[AsyncExitStack]:
    """What was started in a test, ended in reverse order."""
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def serve(running: AsyncExitStack) -> Serve:
    """Serve an application of the test's own: what lies, hangs or breaks on purpose."""

    async def serve(app: web.Application) -> str:
        server = await running.enter_async_context(TestServer(app))
        return str(server.make_url("/"))

    return serve


@pytest.fixture
def token() -> tuple[str, bytes]:
    """Give the caller's secret and its hash."""
    return mint()


@pytest.fixture
def tokens_file(tmp_path: Path, token: tuple[str, bytes]) -> Path:
    """Give a tokens file with the caller's token, and one without any scope that matters."""
    path = tmp_path / "tokens.json"
    entry = {"hash": token[1].hex(), "name": "caller", "scopes": [Scope.INFERENCE]}
    write_tokens(path, [entry])
    return path


@pytest.fixture
def make_settings(
    tokens_file: Path, demo_model: Path, hub_kubo: KuboNode
) -> Callable[..., YoloSettings]:
    """Return settings with the demo model on OpenVINO and the real hub, changed as asked."""

    def make(**changed: Any) -> YoloSettings:
        return YoloSettings(
            **{
                "port": 0,
                "backend": "openvino",
                "models_dir": demo_model.parent,
                "tokens_file": tokens_file,
                "hub_gateway_url": hub_kubo.gateway_url,
                **changed,
            }
        )

    return make


_DETECTORS: dict[tuple[str, Backend], Detector] = {}


def _load_once(settings: YoloSettings, model: ExportedModel) -> Detector:
    """Return the real detector, loaded once a session: compiling a model takes a second."""
    key = (model.id.digest, settings.backend)
    if key not in _DETECTORS:
        _DETECTORS[key] = load(settings, model)
    return _DETECTORS[key]


@pytest.fixture
def start_yolo(
    running: AsyncExitStack, make_settings: Callable[..., YoloSettings], token: tuple[str, bytes]
) -> StartYolo:
    """Start detectors that end with the test."""

    async def start(app: web.Application | None = None, **changed: Any) -> Client:
        if app is None:
            settings = make_settings(**changed)
            app = make_app(settings)
            load_once = partial(_load_once, settings)
            app[MODELS] = LoadedModels(settings.models_dir, settings.model, load_once, keep=1)
        headers = {"Authorization": f"Bearer {token[0]}"}
        return await running.enter_async_context(TestClient(TestServer(app), headers=headers))

    return start


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Give a client session."""
    async with client_session() as session:
        yield session


@pytest.fixture
def hub_rpc(hub_kubo: KuboNode, session: aiohttp.ClientSession) -> KuboRpc:
    """Give the writer's side of the hub, to put frames where the detector reads them."""
    return KuboRpc(session, hub_kubo.rpc_url, token=hub_kubo.rpc_token)


class Hold(Protocol):
    """The `hold` fixture."""

    async def __call__(self, picture: bytes | Pixels) -> Cid:
        """Have the hub hold a frame; return its CID."""


@pytest.fixture
def hold(hub_rpc: KuboRpc) -> Hold:
    """Put frames into the hub."""

    async def hold(picture: bytes | Pixels) -> Cid:
        return await hub_rpc.block_put(picture if isinstance(picture, bytes) else encoded(picture))

    return hold


@pytest.fixture
async def yolo_with_storage(
    start_yolo: StartYolo, serve: Serve, pool: Pool, postgres_dsn: str, hub_kubo: KuboNode
) -> Client:
    """Give a detector that stores uploads with the real pinning service."""
    settings = PinningSettings(
        port=0,
        postgres_dsn=postgres_dsn,
        kubo_rpc_url=hub_kubo.rpc_url,
        kubo_rpc_token=hub_kubo.rpc_token,
        kubo_gateway_url=hub_kubo.gateway_url,
    )
    secret = await create_token(pool, "yolo", [Scope.BLOCKS_WRITE, Scope.PINS_SERVICE])
    pinning_url = await serve(make_pinning(settings))
    return await start_yolo(pinning_url=pinning_url, pinning_token=secret)
