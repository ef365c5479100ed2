"""The real parts, each started when the first row needs it, all gone at the end.

They are those of `pinhole up`, from `pinhole.stack`, in a directory of their own.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from bench.server import Server
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.migrations import migrate
from pinhole.runtime.postgres import create_pool
from pinhole.stack import access
from pinhole.stack.kubo_binary import obtain_binary
from pinhole.stack.kubo_node import KuboNode, KuboPorts, new_swarm_key
from pinhole.stack.kubo_profile import Role
from pinhole.stack.layout import Layout
from pinhole.stack.options import Options
from pinhole.stack.plan import plan, postgres_of
from pinhole.stack.ports import LOOPBACK, unused_port
from pinhole.stack.program import Program, running
from pinhole.stack.sources import Source
from pinhole.stack.topology import Topology, answers

_ROOT = Path(__file__).parents[1]
SCHEMAS = (
    ("pinhole.runtime.access", "access"),
    ("pinning.migrations", "pinning"),
    ("dashboard_gateway.migrations", "dashboard"),
)


@dataclass
class Stage:
    """Where the parts of one run are. Use it as a context manager."""

    home: Path
    say: "Say"
    sources: tuple[Source, ...] = ()
    """What cameras see, to be set before the first part is started."""
    _open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    @cached_property
    def topology(self) -> Topology:
        """Where everything is."""
        layout = Layout(self.home)
        layout.make()
        options = Options(sources=self.sources, page_port=unused_port(), fps=None)
        return plan(layout, options, obtain_binary(self.say), self.say)

    @cached_property
    def _swarm_key(self) -> str:
        return new_swarm_key()

    @cached_property
    def dsn(self) -> str:
        """A PostgreSQL that keeps what it commits (fsync on), with every service's tables."""
        postgres = postgres_of(self.topology.layout)
        postgres.prepare()
        self.start(postgres.program())
        for package, schema in SCHEMAS:
            migrate(postgres.dsn, package, schema)
        asyncio_in_thread(_make_tokens_valid(postgres.dsn, self.topology))
        return postgres.dsn

    @cached_property
    def hub(self) -> KuboNode:
        """The hub's Kubo."""
        _ = self.hub_gateway
        return self.topology.hub

    @cached_property
    def hub_gateway(self) -> Server:
        """The hub's trustless gateway."""
        node = self.topology.hub
        node.prepare(self._swarm_key)
        return Server(node.ports.gateway, self.start(node.program()))

    @cached_property
    def camera_node(self) -> KuboNode:
        """A camera's Kubo, connected to the hub."""
        return self.node("camera", Role.CAMERA)

    def node(
        self, name: str, role: Role, before: Callable[[KuboNode], None] | None = None
    ) -> KuboNode:
        """Start one more Kubo of the swarm, connected to the hub; `before` may change it first."""
        layout = self.topology.layout
        node = KuboNode(
            name=f"kubo-{name}",
            role=role,
            binary=self.hub.binary,
            repo=layout.kubo_dir(name),
            log=layout.log(f"kubo-{name}"),
            ports=KuboPorts(api=unused_port(), gateway=unused_port(), swarm=unused_port()),
        )
        node.prepare(self._swarm_key, (self.hub.as_peer(),))
        if before is not None:
            before(node)
        self.start(node.program())
        asyncio_in_thread(_connect(node, self.hub))
        return node

    def adopt(self, node: KuboNode) -> None:
        """Start a node that is part of the plan, connected to the hub."""
        node.prepare(self._swarm_key, (self.hub.as_peer(),))
        self.start(node.program())
        asyncio_in_thread(_connect(node, self.hub))

    @cached_property
    def pinning(self) -> str:
        """The pinning service's address."""
        _ = self.dsn, self.hub
        self.start(self.topology.pinning())
        return f"http://{LOOPBACK}:{self.topology.pinning_port}"

    @cached_property
    def yolo(self) -> str:
        """The detector's address."""
        _ = self.dsn, self.hub
        self.start(self.topology.yolo())
        return f"http://{LOOPBACK}:{self.topology.yolo_port}"

    @cached_property
    def dashboard(self) -> str:
        """The dashboard's address: all of it, in one process."""
        _ = self.dsn, self.hub
        self.start(self.topology.dashboard())
        return self.topology.page_url

    def receiving(self) -> Server:
        """Run the dashboard's receiving parts alone."""
        _ = self.dsn
        return self._dashboard("receiving", {})

    def showing(self, **settings: str) -> Server:
        """Run the dashboard's showing parts alone, with these settings."""
        _ = self.dsn, self.hub
        return self._dashboard("showing", settings)

    def _dashboard(self, parts: str, settings: Mapping[str, str]) -> Server:
        port = unused_port()
        usual = self.topology.dashboard()
        name = f"dashboard-{parts}-{port}"
        program = Program(
            name=name,
            argv=(sys.executable, "-m", "bench.dashboard", parts),
            env={**usual.env, **settings, "DASHBOARD_PORT": str(port)},
            cwd=_ROOT,
            log=self.topology.layout.log(name),
            ready=answers(port, "/healthz"),
        )
        return Server(port, self.start(program))

    async def tell_the_detector(self) -> None:
        """Write the detector's list of tokens anew: one was made."""
        async with await create_pool(self.dsn, max_size=1) as pool:
            await access.export(pool, self.topology)

    def service_secret(self, holder: str, name: str) -> str:
        """Return one of the secrets that the services have."""
        return (self.topology.layout.secrets_dir(holder) / name).read_text(encoding="utf-8")

    def start(self, program: Program) -> int:
        """Run a program until the stage closes; return its process id."""
        self.say(f"starting {program.name}")
        return self._open.enter_context(running(program)).pid

    def floor(self, kind: str, *arguments: str) -> Server:
        """Run one of `bench.floors` until the stage closes."""
        port = unused_port()
        program = Program(
            name=f"floor-{kind}-{port}",
            argv=(sys.executable, "-m", "bench.floors", kind, str(port), *arguments),
            cwd=_ROOT,
            log=self.topology.layout.log(f"floor-{kind}"),
            ready=answers(port, "/"),
        )
        return Server(port, self.start(program))


class Say:
    """Tells on standard error what is being done."""

    def __call__(self, message: str) -> None:
        """Write one line."""
        sys.stderr.write(f"  {message}\n")
        sys.stderr.flush()


def asyncio_in_thread(work: Coroutine[None, None, None]) -> None:
    """Run `work` to its end; whoever first needs a part may be within an event loop already."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(asyncio.run, work).result()


async def _connect(node: KuboNode, hub: KuboNode) -> None:
    """Dial the hub now: Kubo's own peering dials seconds after the start."""
    async with aiohttp.ClientSession() as session:
        for address in hub.addresses:
            await KuboRpc(session, node.rpc_url, token=node.rpc_token).swarm_connect(address)


async def _make_tokens_valid(dsn: str, topology: Topology) -> None:
    async with await create_pool(dsn, max_size=1) as pool:
        await access.make_valid(pool, topology)
