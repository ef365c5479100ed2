"""Real Kubo nodes for tests, in one private swarm."""

import http.client
import itertools
import urllib.parse
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

from pinhole.stack.kubo_binary import obtain_binary
from pinhole.stack.kubo_node import KuboNode, KuboPorts, new_swarm_key
from pinhole.stack.kubo_profile import INIT_PROFILE, Peer, Role
from pinhole.stack.ports import unused_port
from pinhole.stack.program import running


class StartNode(Protocol):
    """The `start_kubo` fixture."""

    def __call__(self, role: Role, *, peers: tuple[Peer, ...] = ()) -> KuboNode:
        """Start one more node of the swarm; it stops with the test."""


@dataclass(frozen=True)
class Swarm:
    """The nodes that share one key; each has a directory of its own."""

    directory: Path
    key: str = field(default_factory=new_swarm_key)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def node(
        self, role: Role, *, rpc_token: str | None = None, init_profile: str = INIT_PROFILE
    ) -> KuboNode:
        """Return a node that is neither prepared nor running."""
        name = f"{role}-{next(self._numbers)}"
        return KuboNode(
            name=name,
            role=role,
            binary=obtain_binary(print),
            repo=self.directory / name,
            log=self.directory / f"{name}.log",
            ports=KuboPorts(api=unused_port(), gateway=unused_port(), swarm=unused_port()),
            rpc_token=rpc_token,
            expected_blocks=100_000,
            init_profile=init_profile,
        )

    @contextmanager
    def started(
        self,
        role: Role,
        *,
        peers: tuple[Peer, ...] = (),
        rpc_token: str | None = None,
        init_profile: str = INIT_PROFILE,
    ) -> Iterator[KuboNode]:
        """Run a node of the swarm for the length of a `with` block."""
        node = self.node(role, rpc_token=rpc_token, init_profile=init_profile)
        node.prepare(self.key, peers)
        assert node.peer_id  # read once here: a test's event loop must not wait for a file
        with running(node.program()):
            for peer in peers:
                _connect(node, peer)
            yield node


def starter(swarm: Swarm, stack: ExitStack) -> StartNode:
    """Return a function that starts nodes and leaves their end to `stack`."""

    def start(role: Role, *, peers: tuple[Peer, ...] = ()) -> KuboNode:
        node: AbstractContextManager[KuboNode] = swarm.started(role, peers=peers)
        return stack.enter_context(node)

    return start


def _connect(node: KuboNode, peer: Peer) -> None:
    """Dial `peer` now: Kubo's own peering dials 5 to 15 s after the start."""
    headers = {"Authorization": f"Bearer {node.rpc_token}"} if node.rpc_token else {}
    connection = http.client.HTTPConnection(node.host, node.ports.api, timeout=10)
    for address in peer.addresses:
        query = urllib.parse.urlencode({"arg": f"{address}/p2p/{peer.peer_id}"})
        connection.request("POST", f"/api/v0/swarm/connect?{query}", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == HTTPStatus.OK, body
    connection.close()
