"""One Kubo node of the private swarm: its repository, its addresses, its daemon."""

import http.client
import json
import os
import secrets
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pinhole.stack.failure import StackFailure
from pinhole.stack.kubo_profile import (
    ENVIRONMENT,
    INIT_PROFILE,
    Addresses,
    Peer,
    Role,
    laid_over,
    profile,
)
from pinhole.stack.ports import LOOPBACK
from pinhole.stack.program import Program

_INIT_TIMEOUT_S = 60
_PROBE_TIMEOUT_S = 1.0
# Lines appended to it while the node runs take effect at once; the file must exist before.
DENYLIST = Path("denylists") / "erasure.deny"


@dataclass(frozen=True, kw_only=True)
class KuboPorts:
    """The TCP ports of one node."""

    api: int
    gateway: int
    swarm: int


@dataclass(frozen=True, kw_only=True)
class KuboNode:
    """A node with its repository in `repo`, listening on `host`; `binary` is Kubo's `ipfs`."""

    name: str
    role: Role
    binary: Path
    repo: Path
    log: Path
    ports: KuboPorts
    host: str = LOOPBACK
    rpc_token: str | None = None
    expected_blocks: int = 10_000_000
    init_profile: str = INIT_PROFILE
    """The datastore, chosen once: see `INIT_PROFILE`."""

    @property
    def rpc_url(self) -> str:
        """The RPC's address, without `/api/v0`."""
        return f"http://{self.host}:{self.ports.api}"

    @property
    def gateway_url(self) -> str:
        """The trustless gateway's address, without `/ipfs`."""
        return f"http://{self.host}:{self.ports.gateway}"

    @cached_property
    def peer_id(self) -> str:
        """The node's identity, known once it is prepared and read from its configuration once."""
        return str(self._config()["Identity"]["PeerID"])

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where other nodes of the swarm dial it, with its identity at the end."""
        return (f"{self._multiaddress(self.ports.swarm)}/p2p/{self.peer_id}",)

    def as_peer(self) -> Peer:
        """Return this node as another one's peer."""
        return Peer(peer_id=self.peer_id, addresses=(self._multiaddress(self.ports.swarm),))

    def prepare(self, swarm_key: str, peers: Sequence[Peer] = ()) -> None:
        """Make the repository if there is none, and lay the profile over its configuration.

        Raises:
            StackFailure: Kubo cannot make it; its message is in the details.

        """
        if not self._config_path.exists():
            self._initialise()
        overlay = profile(
            self.role,
            Addresses(
                api=self._multiaddress(self.ports.api),
                gateway=self._multiaddress(self.ports.gateway),
                swarm=(self._multiaddress(self.ports.swarm),),
            ),
            peers=peers,
            rpc_token=self.rpc_token,
            expected_blocks=self.expected_blocks,
        )
        _write_private(
            self._config_path, json.dumps(laid_over(self._config(), overlay), indent=2) + "\n"
        )
        _write_private(self.repo / "swarm.key", swarm_key)
        denylist = self.repo / DENYLIST
        denylist.parent.mkdir(exist_ok=True)
        denylist.touch(mode=0o600)

    def program(self) -> Program:
        """Return the daemon as a program; it is ready when its RPC port and gateway answer."""
        return Program(
            name=self.name,
            argv=(str(self.binary), "daemon", "--migrate=false"),
            env=self._environment(),
            log=self.log,
            ready=self._answers,
            stop_within_s=35.0,  # beyond Internal.ShutdownTimeout
        )

    @property
    def _config_path(self) -> Path:
        return self.repo / "config"

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = json.loads(self._config_path.read_text())
        return config

    def _multiaddress(self, port: int) -> str:
        return f"/ip4/{self.host}/tcp/{port}"

    def _environment(self) -> dict[str, str]:
        return {**ENVIRONMENT, "IPFS_PATH": str(self.repo)}

    def _initialise(self) -> None:
        self.repo.mkdir(mode=0o700, parents=True, exist_ok=True)
        result = subprocess.run(  # noqa: S603 - our own binary, our own arguments
            (str(self.binary), "init", "--profile", self.init_profile),
            env={**os.environ, **self._environment()},
            capture_output=True,
            text=True,
            check=False,
            timeout=_INIT_TIMEOUT_S,
        )
        if result.returncode != 0:
            raise StackFailure(f"`ipfs init` in {self.repo} failed: {result.stderr.strip()}")

    def _answers(self) -> bool:
        # The gateway starts after the RPC port; it has nothing at /ipfs/, and says so.
        rpc = self._status(self.ports.api, "POST", "/api/v0/version")
        gateway = self._status(self.ports.gateway, "GET", "/ipfs/")
        return rpc == HTTPStatus.OK and gateway is not None

    def _status(self, port: int, method: str, path: str) -> int | None:
        headers = {"Authorization": f"Bearer {self.rpc_token}"} if self.rpc_token else {}
        connection = http.client.HTTPConnection(self.host, port, timeout=_PROBE_TIMEOUT_S)
        try:
            connection.request(method, path, headers=headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


def new_swarm_key() -> str:
    """Return a fresh pre-shared key in the file format that libp2p reads."""
    return f"/key/swarm/psk/1.0.0/\n/base16/\n{secrets.token_hex(32)}\n"


def _write_private(path: Path, text: str) -> None:
    """Replace `path` whole, readable by its owner alone."""
    fresh = path.with_name(path.name + ".new")
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.replace(path)
