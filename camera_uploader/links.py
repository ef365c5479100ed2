"""The node's links: it is there, and it is connected to the hub's nodes.

Kubo dials peers it lost by itself, but its back-off reaches 10 minutes; after an outage of the VPN
that is too long, so the camera asks for the connection itself.
"""

import threading
from typing import Final

from camera_uploader.node import Node, NodeError, NodeIdentity
from camera_uploader.workers import Part

_AGAIN_AFTER_S: Final = 2.0


class Links:
    """Knows the node's identity and keeps it connected to `addresses`."""

    def __init__(self, node: Node, addresses: tuple[str, ...], *, interval_s: float) -> None:
        self._node, self._addresses, self._interval_s = node, addresses, interval_s
        self.identity: NodeIdentity | None = None

    def run(self, part: Part, stopping: threading.Event) -> None:
        """Look after the links until `stopping` is set."""
        while not stopping.is_set():
            try:
                self.identity = self._node.identity()
            except NodeError as error:
                part.fail(error.details)
                stopping.wait(min(self._interval_s, _AGAIN_AFTER_S))
            else:
                self._connect(part)
                stopping.wait(self._interval_s)

    def _connect(self, part: Part) -> None:
        for address in self._addresses:
            try:
                # A connection that stands is left alone: this costs 1 ms then.
                self._node.connect(address)
            except NodeError as error:
                # Frames are fetched over HTTP and pushed if need be: no failure of ours.
                part.waits(error.details)
                return
        part.beat()
