"""The services of the embedded stack as programs: their settings, and nothing else.

Services are configured by environment variables alone; secrets go through files in a directory
of each service's own (`PINHOLE_SECRETS_DIR`), so that no process's environment shows one.
"""

import http.client
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pinhole.stack.kubo_node import KuboNode
from pinhole.stack.layout import Layout
from pinhole.stack.ports import LOOPBACK
from pinhole.stack.program import Program

SITE = "home"
SECRETS_VARIABLE = "PINHOLE_SECRETS_DIR"
_PROBE_TIMEOUT_S = 1.0
_SHIPPED_MODELS = Path(__file__).parents[2] / "models"


@dataclass(frozen=True, kw_only=True)
class Camera:
    """One camera: what it takes pictures from, its Kubo node, where it tells its health."""

    name: str
    source: str
    node: KuboNode
    health_port: int

    @property
    def program_name(self) -> str:
        """The name of its process, its log and its secrets."""
        return f"camera-{self.name}"

    def key_file(self, layout: Layout) -> Path:
        """Return where its private key is."""
        return layout.secrets_dir(self.program_name) / "key"


@dataclass(frozen=True, kw_only=True)
class Topology:
    """Where every part of one stack is."""

    layout: Layout
    dsn: str
    hub: KuboNode
    page_port: int
    pinning_port: int
    yolo_port: int
    cameras: tuple[Camera, ...]

    @property
    def page_url(self) -> str:
        """The page's address, for people and cameras."""
        return _url(self.page_port)

    @property
    def tokens_file(self) -> Path:
        """The hashes of the tokens that the detector accepts."""
        return tokens_file(self.layout)

    @property
    def service_health_urls(self) -> dict[str, str]:
        """Where each service tells how it is, by the name of its program."""
        ports = {"pinning": self.pinning_port, "yolo": self.yolo_port, "dashboard": self.page_port}
        return {name: f"{_url(port)}/healthz" for name, port in ports.items()}

    @property
    def camera_health_urls(self) -> dict[str, str]:
        """Where each camera tells how it is, by the name of its program."""
        return {
            camera.program_name: f"{_url(camera.health_port)}/healthz" for camera in self.cameras
        }

    def pinning(self) -> Program:
        """Return the pinning service."""
        return self._service(
            "pinning",
            "pinning",
            self.pinning_port,
            {
                "PINNING_POSTGRES_DSN": self.dsn,
                "PINNING_KUBO_RPC_URL": self.hub.rpc_url,
                "PINNING_KUBO_GATEWAY_URL": self.hub.gateway_url,
                # The cameras of this machine; nothing else is fetched from.
                "PINNING_ALLOWED_NETWORKS": "127.0.0.0/8",
            },
        )

    def yolo(self) -> Program:
        """Return the detector."""
        return self._service(
            "yolo",
            "yolo_fetcher",
            self.yolo_port,
            {
                "YOLO_HUB_GATEWAY_URL": self.hub.gateway_url,
                "YOLO_PINNING_URL": _url(self.pinning_port),
                "YOLO_TOKENS_FILE": str(self.tokens_file),
                # What the user set wins: `make up BACKEND=ultralytics`, an imported model's folder.
                "YOLO_BACKEND": os.environ.get("YOLO_BACKEND", "openvino"),
                "YOLO_MODELS_DIR": os.environ.get("YOLO_MODELS_DIR", str(_SHIPPED_MODELS)),
            },
        )

    def dashboard(self) -> Program:
        """Return the dashboard."""
        return self._service("dashboard", "dashboard_gateway", self.page_port, self.dashboard_env())

    def dashboard_env(self) -> dict[str, str]:
        """Return the dashboard's settings, for its own commands too."""
        return {
            "DASHBOARD_POSTGRES_DSN": self.dsn,
            "DASHBOARD_PINNING_URL": _url(self.pinning_port),
            "DASHBOARD_YOLO_URL": _url(self.yolo_port),
            "DASHBOARD_HUB_GATEWAY_URL": self.hub.gateway_url,
            "DASHBOARD_PUBLIC_URL": self.page_url,
            SECRETS_VARIABLE: str(self.layout.secrets_dir("dashboard")),
        }

    def camera(self, camera: Camera, fps: float | None) -> Program:
        """Return a camera's process; its secrets hold its source, its key and its Kubo's token."""
        directory = self.layout.camera_dir(camera.name)
        settings = {
            "CAMERA_SITE": SITE,
            "CAMERA_NAME": camera.name,
            "CAMERA_HUB_URL": self.page_url,
            "CAMERA_HUB_ADDRESSES": ",".join(self.hub.addresses),
            "CAMERA_KUBO_RPC_URL": camera.node.rpc_url,
            "CAMERA_SPOOL_DIR": str(directory / "spool"),
            "CAMERA_KEY_FILE": str(camera.key_file(self.layout)),
            "CAMERA_HEALTH_PORT": str(camera.health_port),
            SECRETS_VARIABLE: str(self.layout.secrets_dir(camera.program_name)),
        }
        if fps is not None:
            settings["CAMERA_FPS"] = str(fps)
        return Program(
            name=camera.program_name,
            argv=python_module("camera_uploader"),
            env=settings,
            cwd=self.layout.home,
            log=self.layout.log(camera.program_name),
            ready=answers(camera.health_port, "/healthz"),
        )

    def _service(self, name: str, module: str, port: int, settings: Mapping[str, str]) -> Program:
        prefix = "DASHBOARD" if name == "dashboard" else name.upper()
        return Program(
            name=name,
            argv=python_module(module),
            env={
                f"{prefix}_HOST": LOOPBACK,
                f"{prefix}_PORT": str(port),
                SECRETS_VARIABLE: str(self.layout.secrets_dir(name)),
                **settings,
            },
            cwd=self.layout.home,
            log=self.layout.log(name),
            ready=answers(port, "/healthz"),
        )


def python_module(name: str, *arguments: str) -> tuple[str, ...]:
    """Return the words that run a module with this Python.

    -P: the working directory is no place for modules; the stack's home has a folder `secrets`.
    """
    return (sys.executable, "-P", "-m", name, *arguments)


def tokens_file(layout: Layout) -> Path:
    """Return where the detector of the stack in `layout` finds the tokens it accepts."""
    return layout.secrets_dir("yolo") / "tokens.json"


def answers(port: int, path: str) -> Callable[[], bool]:
    """Return a probe: does a server on loopback answer `GET path`, well or not."""

    def probe() -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_PROBE_TIMEOUT_S)
        try:
            connection.request("GET", path)
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True

    return probe


def _url(port: int) -> str:
    return f"http://{LOOPBACK}:{port}"
