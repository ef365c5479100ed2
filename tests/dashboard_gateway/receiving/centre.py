"""The centre for tests: real pinning and a real detector beside the dashboard, on real Kubo."""

import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from dashboard_gateway import cameras
from dashboard_gateway.cameras import Enrolment
from pinhole.contract.cid import Cid
from pinhole.contract.pins import Origin
from pinhole.contract.scopes import Scope
from pinhole.contract.signing import Ed25519Signer
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool
from pinhole.runtime.tokens import create_token, mint, write_tokens
from pinhole.stack.kubo_node import KuboNode
from pinning.app import make_app as make_pinning
from pinning.settings import PinningSettings
from tests.dashboard_gateway.receiving.sending import (
    Client,
    JsonObject,
    Sender,
    count,
    rows,
)
from yolo_fetcher.api import MODELS
from yolo_fetcher.app import make_app as make_yolo
from yolo_fetcher.detector import Detector
from yolo_fetcher.detectors import load
from yolo_fetcher.loaded import LoadedModels
from yolo_fetcher.models import ExportedModel
from yolo_fetcher.settings import YoloSettings

_DETECTORS: dict[str, Detector] = {}


def frame(size_bytes: int = 20_000) -> bytes:
    """Return bytes that no test has seen before, and no picture."""
    return os.urandom(size_bytes)


class Neighbour:
    """A service on a port of its own, which a test may stop and start again."""

    def __init__(self, make: Any, port: int) -> None:
        self._make = make
        self._port = port
        self._server: TestServer | None = None
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        """Where it listens while it runs."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Start it, on the same port each time."""
        app: web.Application = self._make()
        app.middlewares.append(self._note)
        self._server = TestServer(app, port=self._port)
        await self._server.start_server()

    async def stop(self) -> None:
        """Stop it; calling it is refused from now on."""
        if self._server is not None:
            await self._server.close()
            self._server = None

    @web.middleware
    async def _note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        response: web.StreamResponse = await handler(request)
        return response


def pinning(dsn: str, hub: KuboNode, port: int) -> Neighbour:
    """Return a pinning service that retries quickly."""
    settings = PinningSettings.load(
        postgres_dsn=dsn,
        kubo_rpc_url=hub.rpc_url,
        kubo_gateway_url=hub.gateway_url,
        bitswap_timeout_s=1,
        retry_first_s=0.1,
        retry_longest_s=0.5,
        max_attempts=3,
        fetch_timeout_s=3,
    )
    return Neighbour(lambda: make_pinning(settings), port)


def detector(model: Path, hub: KuboNode, port: int, directory: Path) -> tuple[Neighbour, str]:
    """Return a detector with the demo model, and a token for it."""
    secret, hash_ = mint()
    tokens = directory / "tokens.json"
    entry = {"hash": hash_.hex(), "name": "dashboard", "scopes": [Scope.INFERENCE]}
    write_tokens(tokens, [entry])
    settings = YoloSettings.load(
        backend="openvino",
        models_dir=model.parent,
        tokens_file=tokens,
        hub_gateway_url=hub.gateway_url,
    )

    def load_once(found: ExportedModel) -> Detector:
        # Compiling a model takes a second: once a session.
        return _DETECTORS.setdefault(found.id.digest, load(settings, found))

    def make() -> web.Application:
        app = make_yolo(settings)
        app[MODELS] = LoadedModels(settings.models_dir, settings.model, load_once, keep=1)
        return app

    return Neighbour(make, port), secret


@dataclass
class Centre:
    """Everything a frame meets after its camera."""

    pool: Pool
    client: Client
    pinning: Neighbour
    detector: Neighbour
    hub: KuboRpc
    camera_kubo: KuboNode
    camera_rpc: KuboRpc
    settings: dict[str, Any]
    """With which further dashboards of this centre are started."""

    async def enrol(self, name: str = "gate", *, gateway_url: str | None = None) -> Sender:
        """Enrol a camera whose frames lie on the session's camera node."""
        signer = Ed25519Signer.generate()
        origin = Origin(gateway_url=gateway_url or self.camera_kubo.gateway_url)
        enrolment = Enrolment("city", name, public_keys=(signer.public,), origin=origin)
        camera_id = await cameras.enrol(self.pool, enrolment)
        return Sender(self.client, signer, "city", name, camera_id)

    async def capture(self, data: bytes) -> Cid:
        """Let the camera's node hold a frame, as a camera does before it tells of it."""
        return await self.camera_rpc.block_put(data)

    async def frames(self) -> Sequence[JsonObject]:
        """Return every frame's row, oldest first."""
        return await rows(self.pool, "SELECT * FROM dashboard.frames ORDER BY frame_id")

    async def states(self) -> list[tuple[str, str]]:
        """Return the two states of every frame, oldest first."""
        return [(row["bytes_state"], row["analysis_state"]) for row in await self.frames()]

    async def stand(self, states: list[tuple[str, str]]) -> bool:
        """Whether the frames are in these states, oldest first."""
        return await self.states() == states

    async def is_settled(self) -> bool:
        """Whether no frame is on its way any more, save what only a push can help."""
        return all(
            bytes_state != "awaited" and (bytes_state == "missing" or analysis_state != "waiting")
            for bytes_state, analysis_state in await self.states()
        )

    async def is_analysed(self) -> bool:
        """Whether every frame has an analysis that will not change by itself."""
        return all(analysis_state != "waiting" for _, analysis_state in await self.states())

    async def has_no_jobs(self) -> bool:
        """Whether the queue is empty."""
        return await count(self.pool, "SELECT count(*) FROM dashboard.pgqueuer") == 0


async def service_token(pool: Pool) -> str:
    """Return the token with which a dashboard calls pinning."""
    return await create_token(pool, "dashboard", [Scope.PINS_SERVICE, Scope.BLOCKS_WRITE])


async def started(stack: AsyncExitStack, neighbour: Neighbour) -> Neighbour:
    """Start a neighbour that stops with `stack`."""
    await neighbour.start()
    stack.push_async_callback(neighbour.stop)
    return neighbour
