"""A stack before anything runs: every part with its place, its ports and its secrets."""

from pathlib import Path

from pinhole.stack import access
from pinhole.stack.kubo_node import KuboNode
from pinhole.stack.kubo_profile import Role
from pinhole.stack.layout import Layout
from pinhole.stack.options import Options
from pinhole.stack.port_plan import PortPlan
from pinhole.stack.postgres_server import PostgresServer
from pinhole.stack.progress import Report
from pinhole.stack.sources import Source
from pinhole.stack.topology import Camera, Topology


def postgres_of(layout: Layout) -> PostgresServer:
    """Return the embedded PostgreSQL of a stack."""
    return PostgresServer(data_dir=layout.postgres_dir, log=layout.log("postgres"))


def plan(layout: Layout, options: Options, kubo: Path, report: Report) -> Topology:
    """Return where everything is; what is new gets its ports and secrets here."""
    ports = PortPlan.read(layout.ports_file, report)
    hub = KuboNode(
        name="kubo-hub",
        role=Role.HUB,
        binary=kubo,
        repo=layout.kubo_dir("hub"),
        log=layout.log("kubo-hub"),
        ports=ports.hub(),
        rpc_token=access.rpc_token(layout, "pinning", "PINNING_KUBO_RPC_TOKEN"),
    )
    topology = Topology(
        layout=layout,
        dsn=postgres_of(layout).dsn,
        hub=hub,
        page_port=options.page_port,
        pinning_port=ports.service("pinning"),
        yolo_port=ports.service("yolo"),
        cameras=tuple(
            _camera(layout, source, ports, ordinal, kubo)
            for ordinal, source in enumerate(options.sources, 1)
        ),
    )
    access.make_secrets(topology)
    return topology


def _camera(layout: Layout, source: Source, ports: PortPlan, ordinal: int, kubo: Path) -> Camera:
    name = f"camera-{source.name}"
    node = KuboNode(
        name=f"kubo-{name}",
        role=Role.CAMERA,
        binary=kubo,
        repo=layout.kubo_dir(name),
        log=layout.log(f"kubo-{name}"),
        ports=ports.camera(source.name, ordinal),
        rpc_token=access.rpc_token(layout, name, "CAMERA_KUBO_RPC_TOKEN"),
    )
    health_port = ports.camera_health(source.name, ordinal)
    return Camera(name=source.name, source=source.text, node=node, health_port=health_port)
