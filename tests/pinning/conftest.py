"""The pinning service on real parts: PostgreSQL, the hub's Kubo, a camera's Kubo."""

import asyncio
import base64
import io
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from pinhole.contract.cid import Cid
from pinhole.contract.owners import OWNER_HEADER, Owner
from pinhole.contract.pins import BatchPinResult, BatchPinResults, Origin
from pinhole.contract.scopes import Scope
from pinhole.runtime.http import client_session
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool
from pinhole.runtime.tokens import create_token
from pinhole.stack.kubo_node import KuboNode
from pinhole.stack.kubo_profile import Role
from pinning.app import make_app
from pinning.settings import PinningSettings
from tests.pinning.file_store import Command, Tree, command_on
from tests.support.kubo import Swarm

SITE = "harbour"


def frame(size_bytes: int = 20_000) -> bytes:
    """Return bytes that no test has seen before."""
    return os.urandom(size_bytes)


@dataclass(frozen=True)
class Caller:
    """Somebody with a token, talking to a running service."""

    session: aiohttp.ClientSession
    base: str
    headers: dict[str, str]

    def acting_for(self, owner: Owner) -> "Caller":
        """Return this caller naming an owner."""
        return Caller(self.session, self.base, {**self.headers, OWNER_HEADER: owner.text})

    async def call(self, method: str, path: str, **arguments: Any) -> tuple[int, Any]:
        """Return the status and the JSON (None without a body) of a request."""
        async with self.session.request(
            method, self.base + path, headers=self.headers, **arguments
        ) as response:
            return response.status, await response.json() if await response.read() else None

    async def pin(
        self,
        camera: str,
        cids: Iterable[Cid],
        *,
        wait_s: float = 10,
        meta: dict[str, str] | None = None,
    ) -> list[BatchPinResult]:
        """Pin frames of a camera and return how each stands."""
        pins = [{"cid": str(cid), "meta": meta or {}} for cid in cids]
        status, answer = await self.call(
            "POST",
            f"/pins/batch?wait_s={wait_s}",
            json={"site": SITE, "camera": camera, "pins": pins},
        )
        assert status == 200, answer
        return BatchPinResults.model_validate(answer).results

    async def push(self, data: bytes) -> dict[str, Any]:
        """Store bytes and return the answer."""
        status, answer = await self.call("POST", "/api/v1/blocks", data=io.BytesIO(data))
        assert status == 200, answer
        assert isinstance(answer, dict)
        return answer

    async def enrol(self, camera: str, origin: Origin) -> None:
        """Set where a camera serves its blocks."""
        status, answer = await self.call(
            "PUT", f"/api/v1/origins/{SITE}/{camera}", json=origin.model_dump(exclude_none=True)
        )
        assert status == 200, answer


@dataclass(frozen=True)
class Service:
    """A running pinning service."""

    base: str
    pool: Pool
    session: aiohttp.ClientSession
    app: web.Application

    async def caller(
        self, name: str, *scopes: Scope, cameras: list[str] | None = None, **options: Any
    ) -> Caller:
        """Return a caller with a new token."""
        secret = await create_token(self.pool, name, scopes, cameras=cameras, options=options)
        return Caller(self.session, self.base, {"Authorization": f"Bearer {secret}"})

    async def client(self, name: str, **options: Any) -> Caller:
        """Return an outside client of the Pinning Service API."""
        return await self.caller(name, Scope.PINS_READ, Scope.PINS_WRITE, **options)


class StartService(Protocol):
    """The `start_service` fixture."""

    async def __call__(self, **settings: Any) -> Service:
        """Start a service with settings of its own; it stops with the test."""


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with client_session() as session:
        yield session


@pytest.fixture
def settings(postgres_dsn: str, hub_kubo: KuboNode) -> Callable[..., PinningSettings]:
    """Make settings for this test's database and the hub."""

    def make(**overrides: Any) -> PinningSettings:
        values = {
            "postgres_dsn": postgres_dsn,
            "kubo_rpc_url": hub_kubo.rpc_url,
            "kubo_gateway_url": hub_kubo.gateway_url,
            "bitswap_timeout_s": 1,
            "retry_first_s": 0.1,
            "retry_longest_s": 0.5,
            "max_attempts": 3,
            "reconcile_hour": -1,
            "fetch_timeout_s": 3,
        }
        return PinningSettings.load(**(values | overrides))

    return make


@pytest.fixture
async def start_service(
    settings: Callable[..., PinningSettings], pool: Pool, session: aiohttp.ClientSession
) -> AsyncIterator[StartService]:
    async with AsyncExitStack() as stack:

        async def start(**overrides: Any) -> Service:
            app = make_app(settings(**overrides))
            server = await stack.enter_async_context(TestServer(app))
            return Service(str(server.make_url("")).rstrip("/"), pool, session, app)

        yield start


@pytest.fixture
async def service(start_service: StartService) -> Service:
    return await start_service()


@pytest.fixture
async def dispatcher(service: Service) -> Caller:
    """The dashboard's dispatcher."""
    return await service.caller("dispatcher", Scope.PINS_SERVICE, Scope.BLOCKS_WRITE)


@pytest.fixture
def hub(session: aiohttp.ClientSession, hub_kubo: KuboNode) -> KuboRpc:
    """The hub's Kubo, to look at what it really holds."""
    return KuboRpc(session, hub_kubo.rpc_url)


@pytest.fixture
def camera_rpc(session: aiohttp.ClientSession, camera_kubo: KuboNode) -> KuboRpc:
    """The camera's own Kubo, where its frames are."""
    return KuboRpc(session, camera_kubo.rpc_url)


@pytest.fixture
async def gate_a(dispatcher: Caller, camera_kubo: KuboNode) -> str:
    """An enrolled camera whose frames lie on the camera node."""
    await dispatcher.enrol("gate-a", Origin(gateway_url=camera_kubo.gateway_url))
    return "gate-a"


@pytest.fixture
async def unreleasing(start_service: StartService) -> Service:
    """A service that marks what is to go and leaves the removal to the test, for a minute."""
    return await start_service(release_every_s=60)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """An existing file store, empty still."""
    root = tmp_path / "store"
    root.mkdir()
    return Tree(root)


@pytest.fixture
def command(postgres_dsn: str, hub_kubo: KuboNode) -> Command:
    """`pinhole import` on this test's database and hub."""
    return command_on(postgres_dsn, hub_kubo)


@dataclass(frozen=True)
class Stage:
    """Everything at once, for tests that look at all of it."""

    dispatcher: Caller
    camera_node: KuboNode
    camera: KuboRpc
    hub: KuboRpc
    pool: Pool


@pytest.fixture
def stage(
    dispatcher: Caller, camera_kubo: KuboNode, camera_rpc: KuboRpc, hub: KuboRpc, pool: Pool
) -> Stage:
    return Stage(dispatcher, camera_kubo, camera_rpc, hub, pool)


@dataclass(frozen=True)
class House:
    """A hub of its own, on flatfs: one file a block. Other tests' blocks would be orphans here."""

    node: KuboNode
    service: Service
    rpc: KuboRpc

    def file_of(self, cid: Cid) -> Path:
        """Return the file that holds a block: its multihash in upper-case base 32."""
        name = base64.b32encode(b"\x12\x20" + cid.digest).decode().rstrip("=")
        return self.node.repo / "blocks" / name[-3:-1] / f"{name}.data"


@pytest.fixture
async def house(swarm: Swarm, start_service: StartService) -> AsyncIterator[House]:
    started = swarm.started(Role.HUB, init_profile="flatfs")
    node = await asyncio.to_thread(started.__enter__)
    service = await start_service(kubo_rpc_url=node.rpc_url, kubo_gateway_url=node.gateway_url)
    yield House(node, service, KuboRpc(service.session, node.rpc_url))
    await asyncio.to_thread(started.__exit__, None, None, None)
