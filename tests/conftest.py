"""Fixtures for everyone: real PostgreSQL, real Kubo nodes, a photograph, a model, patience.

Whatever is expensive is made once a session (and once a worker, under pytest-xdist).
"""

import importlib.util
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest
from blockbuster import BlockBuster, blockbuster_ctx

from pinhole.runtime.postgres import Pool, create_pool
from pinhole.stack import ports
from pinhole.stack.kubo_node import KuboNode
from pinhole.stack.kubo_profile import Role
from tests.support import polling
from tests.support.databases import Databases, databases
from tests.support.kubo import StartNode, Swarm, starter

# 200 ms an example is hypothesis's own limit; a machine that others use breaks it for no reason.
hypothesis.settings.register_profile("pinhole", deadline=None)
hypothesis.settings.load_profile("pinhole")

_ROOT = Path(__file__).parent.parent
_OUR_PACKAGES = ("pinhole", "camera_uploader", "dashboard_gateway", "pinning", "yolo_fetcher")
# Reads of a local file so short and so rare that a thread would cost more.
_MAY_BLOCK = (
    # asyncpg looks for ~/.pgpass when it connects.
    ("asyncpg/connect_utils.py", "_parse_connect_arguments"),
    # The detector's tokens: one stat a request, a few kilobytes after a change.
    ("pinhole/runtime/tokens.py", "find"),
    # A test starts and stops a node of its own; nothing else runs in its loop meanwhile.
    ("tests/support/kubo.py", "started"),
)


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Iterator[BlockBuster]:
    """Fail a test in which our code blocks the event loop."""
    scanned = [name for name in _OUR_PACKAGES if importlib.util.find_spec(name)]
    with blockbuster_ctx(scanned) as blockbuster:
        for function in blockbuster.functions.values():
            for filename, name in _MAY_BLOCK:
                function.can_block_in(filename, name)
        yield blockbuster


@pytest.fixture(scope="session")
def postgres_databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """Run one PostgreSQL with a migrated template for the whole session."""
    with databases(tmp_path_factory.mktemp("postgres")) as given:
        yield given


@pytest.fixture
def postgres_dsn(postgres_databases: Databases) -> Iterator[str]:
    """Give this test a database of its own, with every service's tables."""
    with postgres_databases.clone() as dsn:
        yield dsn


@pytest.fixture
def empty_postgres_dsn(postgres_databases: Databases) -> Iterator[str]:
    """Give this test an empty database of its own."""
    with postgres_databases.empty() as dsn:
        yield dsn


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncIterator[Pool]:
    """Connect to this test's database."""
    async with await create_pool(postgres_dsn) as pool:
        yield pool


@pytest.fixture(scope="session")
def swarm(tmp_path_factory: pytest.TempPathFactory) -> Swarm:
    """Give the session's private swarm, to which every Kubo node of the tests belongs."""
    return Swarm(tmp_path_factory.mktemp("kubo"))


@pytest.fixture(scope="session")
def hub_kubo(swarm: Swarm) -> Iterator[KuboNode]:
    """Run the session's hub node."""
    with swarm.started(Role.HUB) as node:
        yield node


@pytest.fixture(scope="session")
def camera_kubo(swarm: Swarm, hub_kubo: KuboNode) -> Iterator[KuboNode]:
    """Run the session's camera node, which stays connected to the hub."""
    with swarm.started(Role.CAMERA, peers=(hub_kubo.as_peer(),)) as node:
        yield node


@pytest.fixture
def start_kubo(swarm: Swarm) -> Iterator[StartNode]:
    """Start further nodes of the swarm that end with the test."""
    with ExitStack() as stack:
        yield starter(swarm, stack)


@pytest.fixture
def unused_port() -> int:
    """Give a TCP port on loopback that nobody listens on."""
    return ports.unused_port()


@pytest.fixture
def eventually() -> polling.Eventually:
    """Wait in the event loop until a predicate is true."""
    return polling.eventually


@pytest.fixture
def wait_until() -> polling.WaitUntil:
    """Wait without an event loop until a predicate is true."""
    return polling.wait_until


@pytest.fixture(scope="session")
def photo() -> bytes:
    """Give a real photograph as its file's bytes: ultralytics' bus.jpg, 810 x 1080 px."""
    # Found, not imported: `import ultralytics` takes seconds and torch along.
    spec = importlib.util.find_spec("ultralytics")
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / "assets" / "bus.jpg").read_bytes()


@pytest.fixture(scope="session")
def demo_model() -> Path:
    """Give the folder of the model that comes with the repository."""
    folder = _ROOT / "models" / "pinhole-demo_openvino_model"
    assert (folder / "metadata.yaml").exists(), f"{folder} is not there"
    return folder
