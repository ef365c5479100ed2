"""deploy/kubo: a container's Kubo ends with the configuration that the stack gives its nodes."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pinhole.stack.kubo_binary import find_binary
from pinhole.stack.kubo_node import new_swarm_key
from pinhole.stack.kubo_profile import (
    ENVIRONMENT,
    INIT_PROFILE,
    Addresses,
    Role,
    laid_over,
    profile,
)
from pinhole.stack.ports import unused_port
from pinhole.stack.program import Program, running
from tests.deploy import composition
from tests.deploy.composition import ROOT
from tests.support.polling import WaitUntil

FOLDER = ROOT / "deploy" / "kubo"
TOKEN = "a-token-of-this-test"
# Loopback has every address of 127.0.0.0/8: this one stands for the private network's.
RPC_ADDRESS = "127.0.0.7"


class Container:
    """What the official image does before its daemon: init, key, scripts. No container here."""

    def __init__(self, home: Path, role: Role) -> None:
        self.repo = home / "ipfs"
        self.role = role
        self.binary = _binary()
        token = home / "token"
        token.write_text(TOKEN)
        self.environment = {
            **ENVIRONMENT,
            "PATH": f"{self.binary.parent}:/usr/bin:/bin",
            "IPFS_PATH": str(self.repo),
            "PINHOLE_KUBO_PROFILE": str(FOLDER / f"{role}.profile"),
            "PINHOLE_KUBO_RPC_ADDRESS": RPC_ADDRESS,
            "PINHOLE_KUBO_RPC_TOKEN_FILE": str(token),
        }

    def initialise(self) -> dict[str, Any]:
        self.ipfs("init", "--profile", INIT_PROFILE)
        (self.repo / "swarm.key").write_text(new_swarm_key())
        return self.config()

    def start_script(self, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", FOLDER / "profile.sh"],
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    def ipfs(self, *arguments: str) -> None:
        subprocess.run(
            [self.binary, *arguments], env=self.environment, check=True, capture_output=True
        )

    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = json.loads((self.repo / "config").read_text())
        return config


@pytest.fixture(params=list(Role), ids=str)
def container(request: pytest.FixtureRequest, tmp_path: Path) -> Container:
    return Container(tmp_path, request.param)


def _binary() -> Path:
    binary = find_binary()
    assert binary is not None, "no Kubo here: `make test` builds it"
    return binary


def wanted(fresh: dict[str, Any], role: Role) -> dict[str, Any]:
    rpc = f"/ip4/{RPC_ADDRESS}/tcp/5001"
    addresses = Addresses(api=rpc, gateway="/ip4/0.0.0.0/tcp/8080", swarm=["/ip4/0.0.0.0/tcp/4001"])
    overlay = profile(role, addresses, rpc_token=TOKEN)
    overlay["Addresses"]["API"] = ["/ip4/127.0.0.1/tcp/5001", rpc]
    return laid_over(fresh, overlay)


@pytest.mark.parametrize("role", Role, ids=str)
def test_the_profile_is_the_stacks(role: Role, tmp_path: Path) -> None:
    before = (FOLDER / f"{role}.profile").read_text(encoding="utf-8")
    copy = tmp_path / "render.py"
    copy.write_text((FOLDER / "render.py").read_text(encoding="utf-8"))
    subprocess.run([sys.executable, copy], check=True, env={"PYTHONPATH": str(ROOT)})
    assert (tmp_path / f"{role}.profile").read_text() == before, "run deploy/kubo/render.py"


def test_a_fresh_node_gets_the_stacks_configuration(container: Container) -> None:
    fresh = container.initialise()
    assert container.start_script().returncode == 0
    assert container.config() == wanted(fresh, container.role)
    assert "auto" not in json.dumps(container.config()).split('"')
    assert (container.repo / "denylists" / "erasure.deny").exists()


def test_a_later_start_changes_what_someone_changed_and_nothing_else(tmp_path: Path) -> None:
    container = Container(tmp_path, Role.HUB)
    container.initialise()
    container.start_script()
    config, stamp = container.config(), (container.repo / "config").stat().st_mtime_ns
    container.start_script()
    assert (container.repo / "config").stat().st_mtime_ns == stamp
    (tmp_path / "token").write_text("another")
    container.start_script()
    secret = container.config()["API"]["Authorizations"]["pinning"].pop("AuthSecret")
    config["API"]["Authorizations"]["pinning"].pop("AuthSecret")
    assert secret == "bearer:another"


def test_a_node_without_key_or_token_does_not_start(tmp_path: Path) -> None:
    container = Container(tmp_path, Role.HUB)
    container.initialise()
    (tmp_path / "token").write_text("")
    refused = container.start_script()
    assert refused.returncode == 1
    assert "is empty" in refused.stderr
    (tmp_path / "token").write_text(TOKEN)
    (container.repo / "swarm.key").unlink()
    refused = container.start_script()
    assert refused.returncode == 1
    assert "must be private" in refused.stderr


@pytest.fixture
def running_hub(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """Run the container's hub on ports of this test; give those of its RPC and gateway."""
    container = Container(tmp_path, Role.HUB)
    container.initialise()
    assert container.start_script().returncode == 0
    api, gateway = unused_port(RPC_ADDRESS), unused_port()
    for key, value in (
        ("API", [f"/ip4/{RPC_ADDRESS}/tcp/{api}"]),
        ("Gateway", f"/ip4/127.0.0.1/tcp/{gateway}"),
        ("Swarm", [f"/ip4/127.0.0.1/tcp/{unused_port()}"]),
    ):
        container.ipfs("config", "--json", f"Addresses.{key}", json.dumps(value))
    command = composition.read()["services"]["kubo"]["command"]
    program = Program(
        name="kubo",
        argv=(str(container.binary), *command),
        env=container.environment,
        log=tmp_path / "kubo.log",
    )
    with running(program):
        yield api, gateway


def test_the_health_check_sees_a_node_that_runs_and_its_rpc_asks_for_the_token(
    running_hub: tuple[int, int], wait_until: WaitUntil
) -> None:
    api, gateway = running_hub
    check = composition.read()["services"]["kubo"]["healthcheck"]["test"]
    url = check[-1].replace(":8080", f":{gateway}")
    assert wait_until(lambda: _status(url) == 200, 30)
    identity = f"http://{RPC_ADDRESS}:{api}/api/v0/id"
    assert _status(identity, method="POST") == 403
    assert _status(identity, method="POST", token=TOKEN) == 200
    # Not in pinning's list.
    shutdown = f"http://{RPC_ADDRESS}:{api}/api/v0/shutdown"
    assert _status(shutdown, method="POST", token=TOKEN) == 403


def _status(url: str, *, method: str = "GET", token: str | None = None) -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, method=method, headers=headers)  # noqa: S310 - our own
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
