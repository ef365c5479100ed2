"""Which port each part listens on: chosen at the first start, and kept while it is free."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from pinhole.stack.failure import StackFailure
from pinhole.stack.kubo_node import KuboPorts
from pinhole.stack.ports import holder, is_free, unused_port
from pinhole.stack.progress import Report

PAGE = "dashboard"
DEFAULT_PAGE_PORT = 8080
_SERVICES = {"pinning": 8081, "yolo": 8082}
_HUB = KuboPorts(api=5101, gateway=8181, swarm=4101)
_CAMERA_HEALTH = 8090


@dataclass
class PortPlan:
    """Ports by the name of their part, kept in `file`.

    A part gets its usual port if that is free when it is first asked for, else another one, and
    keeps it: two stacks on one machine do not meet. One that is taken later is replaced, which
    `report` is told; cameras are enrolled anew where theirs has changed.
    """

    file: Path
    report: Report
    _ports: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path, report: Report) -> "PortPlan":
        """Return the plan in `file`, empty where there is none."""
        return cls(file, report, json.loads(file.read_text()) if file.exists() else {})

    def service(self, name: str) -> int:
        """Return a service's port."""
        return self._port(name, _SERVICES[name])

    def hub(self) -> KuboPorts:
        """Return the hub node's ports."""
        return self._kubo("hub", _HUB)

    def camera(self, name: str, ordinal: int) -> KuboPorts:
        """Return the ports of a camera's node; `ordinal` counts cameras from 1."""
        usual = KuboPorts(
            api=_HUB.api + ordinal, gateway=_HUB.gateway + ordinal, swarm=_HUB.swarm + ordinal
        )
        return self._kubo(f"camera-{name}", usual)

    def camera_health(self, name: str, ordinal: int) -> int:
        """Return the port on which a camera tells its health."""
        return self._port(f"camera-{name}-health", _CAMERA_HEALTH + ordinal)

    def _kubo(self, name: str, usual: KuboPorts) -> KuboPorts:
        return KuboPorts(
            api=self._port(f"{name}-api", usual.api),
            gateway=self._port(f"{name}-gateway", usual.gateway),
            swarm=self._port(f"{name}-swarm", usual.swarm),
        )

    def _port(self, name: str, usual: int) -> int:
        chosen = self._ports.get(name)
        if chosen is not None and is_free(chosen):
            return chosen
        port = usual if usual not in self._ports.values() and is_free(usual) else unused_port()
        if chosen is not None:
            self.report(f"port {chosen} is taken by {_holder(chosen)}: {name} moves to {port}")
        self._ports[name] = port
        self.file.write_text(json.dumps(self._ports, indent=1) + "\n")
        return port


def require_page_port(port: int) -> None:
    """Check that the page can be served on `port`.

    Raises:
        StackFailure: Someone else listens there.

    """
    if not is_free(port):
        raise StackFailure(
            f"port {port} is taken by {_holder(port)}: stop that, or choose another with `--port`"
        )


def _holder(port: int) -> str:
    return holder(port) or "another program"
