"""The centre's three services in this process, on real PostgreSQL and Kubo."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

import dashboard_gateway.app
import pinning.app
import yolo_fetcher.app
from dashboard_gateway import cameras
from dashboard_gateway.cameras import Enrolment
from dashboard_gateway.settings import DashboardSettings
from pinhole.contract.pins import Origin
from pinhole.contract.scopes import Scope
from pinhole.contract.signing import Ed25519Signer
from pinhole.runtime.postgres import Pool
from pinhole.runtime.tokens import create_token, export_tokens
from pinhole.stack.kubo_node import KuboNode
from pinning.settings import PinningSettings
from yolo_fetcher.settings import YoloSettings

SITE = "harbour"


@dataclass(frozen=True)
class Centre:
    """The running services and the database behind them."""

    pool: Pool
    dsn: str
    tokens_file: Path
    pinning_url: str
    yolo_url: str
    dashboard_url: str
    apps: tuple[web.Application, ...]

    @property
    def addresses(self) -> dict[str, str]:
        """Return the services' addresses by the names that the workflows use."""
        return {
            "pinning_url": self.pinning_url,
            "yolo_url": self.yolo_url,
            "dashboard_url": self.dashboard_url,
        }

    async def token(self, name: str, *scopes: Scope, cameras: list[str] | None = None) -> str:
        """Return a new token's secret, known to the detector too."""
        secret = await create_token(self.pool, name, scopes, cameras=cameras)
        await export_tokens(self.pool, Scope.INFERENCE, self.tokens_file)
        return secret

    async def enrol(self, camera: str, node: KuboNode) -> None:
        """Enrol a camera whose frames lie in `node`."""
        origin = Origin(gateway_url=node.gateway_url)
        key = Ed25519Signer.generate().public
        await cameras.enrol(self.pool, Enrolment(SITE, camera, public_keys=(key,), origin=origin))


async def start(
    stack: AsyncExitStack, *, pool: Pool, dsn: str, hub: KuboNode, models: Path, home: Path
) -> Centre:
    """Start all three; they end with `stack`."""
    tokens_file = home / "tokens.json"
    services = await create_token(pool, "services", [Scope.PINS_SERVICE, Scope.BLOCKS_WRITE])
    asking = await create_token(pool, "dashboard", [Scope.INFERENCE])
    await export_tokens(pool, Scope.INFERENCE, tokens_file)
    pinning_app = pinning.app.make_app(
        PinningSettings.load(
            postgres_dsn=dsn, kubo_rpc_url=hub.rpc_url, kubo_gateway_url=hub.gateway_url
        )
    )
    pinning_url = await _serve(stack, pinning_app)
    yolo_app = yolo_fetcher.app.make_app(
        YoloSettings.load(
            backend="openvino",
            models_dir=models,
            tokens_file=tokens_file,
            hub_gateway_url=hub.gateway_url,
            pinning_url=pinning_url,
            pinning_token=services,
        )
    )
    yolo_url = await _serve(stack, yolo_app)
    dashboard_app = dashboard_gateway.app.make_app(
        DashboardSettings.load(
            postgres_dsn=dsn,
            pinning_url=pinning_url,
            pinning_token=services,
            yolo_url=yolo_url,
            yolo_token=asking,
            hub_gateway_url=hub.gateway_url,
        )
    )
    dashboard_url = await _serve(stack, dashboard_app)
    apps = (pinning_app, yolo_app, dashboard_app)
    return Centre(pool, dsn, tokens_file, pinning_url, yolo_url, dashboard_url, apps)


async def _serve(stack: AsyncExitStack, app: web.Application) -> str:
    server = await stack.enter_async_context(TestServer(app))
    return str(server.make_url("")).rstrip("/")


async def get(url: str, path: str, token: str) -> tuple[int, bytes]:
    """Return status and body of a GET with a bearer token."""
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        session.get(url + path) as answer,
    ):
        return answer.status, await answer.read()
