"""Which nodes are examined: those of the stack that runs here, or one that is named."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pinhole.stack import run_state, secret_files
from pinhole.stack.failure import StackFailure
from pinhole.stack.kubo_profile import Role
from pinhole.stack.layout import Layout
from pinhole.stack.ports import LOOPBACK


@dataclass(frozen=True, kw_only=True)
class Examined:
    """A node, and what may be used to look at it."""

    name: str
    role: Role
    rpc_url: str
    token: str | None = field(default=None, repr=False)
    gateway_url: str | None = None
    repo: Path | None = None
    """Its repository, where that is on this machine."""
    is_of_stack: bool = False
    """Whether `pinhole up` lays the profile over its configuration at every start."""


def hub_of(layout: Layout) -> Examined | None:
    """Return the hub of the stack in `layout`, None where none was ever started."""
    ports = _ports(layout)
    return _node(layout, ports, "hub", Role.HUB) if "hub-api" in ports else None


def of_stack(layout: Layout) -> list[Examined]:
    """Return the nodes of the running stack, the hub first.

    Raises:
        StackFailure: Nothing runs here.

    """
    state = run_state.read(layout) if run_state.is_running(layout) else None
    if state is None:
        raise StackFailure(
            f"Pinhole is not running (state in {layout.home}): start it with `pinhole up`, "
            "or name a node with `--rpc URL`"
        )
    running = {standing.name for standing in state.programs}
    return [node for node in _all(layout) if node.name in running]


def _all(layout: Layout) -> Iterator[Examined]:
    ports = _ports(layout)
    for name in ports:
        node = name.removesuffix("-api")
        if node != name:
            yield _node(layout, ports, node, Role.HUB if node == "hub" else Role.CAMERA)


def _node(layout: Layout, ports: dict[str, int], node: str, role: Role) -> Examined:
    holder, variable = (
        ("pinning", "pinning_kubo_rpc_token")
        if role is Role.HUB
        else (node, "camera_kubo_rpc_token")
    )
    return Examined(
        name=f"kubo-{node}",
        role=role,
        rpc_url=f"http://{LOOPBACK}:{ports[f'{node}-api']}",
        token=secret_files.read(layout.secrets_dir(holder) / variable),
        gateway_url=f"http://{LOOPBACK}:{ports[f'{node}-gateway']}",
        repo=layout.kubo_dir(node),
        is_of_stack=True,
    )


def _ports(layout: Layout) -> dict[str, int]:
    try:
        ports: dict[str, int] = json.loads(layout.ports_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return ports
