"""deploy/docker/prepare.py: after it, the services' secrets open the doors that they should."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dashboard_gateway import cameras
from pinhole.contract.scopes import Scope
from pinhole.contract.signing import Ed25519Signer
from pinhole.runtime.postgres import Pool, create_pool
from pinhole.runtime.tokens import FileTokens, PostgresTokens, Token, hash_of
from tests.deploy.composition import ROOT

SCRIPT = ROOT / "deploy" / "docker" / "prepare.py"


class Start:
    """A Compose start's secrets and volume, with the test's own PostgreSQL."""

    def __init__(self, home: Path, dsn: str) -> None:
        self.secrets_dir = home / "secrets"
        self.tokens_file = home / "tokens.json"
        maker = ROOT / "deploy" / "make-secrets.sh"
        subprocess.run([maker, self.secrets_dir], check=True, capture_output=True)
        given = self.secrets_dir / "pinhole_postgres_dsn"
        given.unlink()
        given.write_text(dsn)

    def prepare(self, *arguments: str, **variables: str) -> str:
        done = subprocess.run(
            [sys.executable, SCRIPT, *arguments],
            env={
                **os.environ,
                "PINHOLE_SECRETS_DIR": str(self.secrets_dir),
                "PINHOLE_TOKENS_FILE": str(self.tokens_file),
                **variables,
            },
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def secret(self, name: str) -> bytes:
        return hash_of((self.secrets_dir / name).read_text())


@pytest.fixture
def start(tmp_path: Path, empty_postgres_dsn: str) -> Start:
    return Start(tmp_path, empty_postgres_dsn)


async def found(dsn: str, token_hash: bytes) -> Token | None:
    async with await create_pool(dsn, max_size=1) as pool:
        return await PostgresTokens(pool).find(token_hash)


async def test_the_services_tokens_are_valid_after_the_first_start(
    start: Start, empty_postgres_dsn: str
) -> None:
    start.prepare()
    dashboard = await found(empty_postgres_dsn, start.secret("dashboard_pinning_token"))
    assert dashboard is not None
    assert dashboard.may(Scope.PINS_SERVICE)
    yolo = await found(empty_postgres_dsn, start.secret("yolo_pinning_token"))
    assert yolo is not None
    assert yolo.may(Scope.BLOCKS_WRITE)
    assert not yolo.may(Scope.ADMIN)
    asking = await FileTokens(start.tokens_file).find(start.secret("dashboard_yolo_token"))
    assert asking is not None
    assert asking.scopes == {Scope.INFERENCE}


async def test_a_later_start_ends_a_token_whose_secret_was_replaced(
    start: Start, empty_postgres_dsn: str
) -> None:
    start.prepare()
    before = start.secret("dashboard_yolo_token")
    (start.secrets_dir / "dashboard_yolo_token").unlink()
    (start.secrets_dir / "dashboard_yolo_token").write_text("pnh_" + 43 * "n")
    start.prepare()
    assert await found(empty_postgres_dsn, before) is None
    tokens = FileTokens(start.tokens_file)
    assert await tokens.find(before) is None
    assert await tokens.find(start.secret("dashboard_yolo_token")) is not None


async def test_an_operator_makes_a_token_that_the_detector_knows_at_once(
    start: Start, empty_postgres_dsn: str
) -> None:
    start.prepare()
    scopes = ("--scope", "inference", "--scope", "pins:write", "--scope", "results:write")
    secret = start.prepare("tokens", "create", "--name", "n8n", *scopes).strip()
    n8n = await found(empty_postgres_dsn, hash_of(secret))
    assert n8n is not None
    assert n8n.owner == "token:n8n"
    assert await FileTokens(start.tokens_file).find(hash_of(secret)) is not None
    assert secret not in start.tokens_file.read_text()
    assert len(json.loads(start.tokens_file.read_text())) == 2


async def test_the_camera_beside_the_hub_is_enrolled_with_its_key_and_gateway(
    tmp_path: Path, postgres_dsn: str, pool: Pool
) -> None:
    start = Start(tmp_path, postgres_dsn)
    # Compose mounts the one secret under the name that the dashboard's settings look for.
    (start.secrets_dir / "dashboard_postgres_dsn").write_text(postgres_dsn)
    gateway = "http://172.31.241.2:8080"
    for _ in range(2):
        start.prepare("camera", "home", "street", PINHOLE_CAMERA_GATEWAY_URL=gateway)
    (camera,) = await cameras.list_all(pool)
    key = Ed25519Signer.parse((start.secrets_dir / "camera_key").read_text()).public
    assert (camera.site, camera.name) == ("home", "street")
    assert [str(known) for known in camera.keys] == [str(key)]
    assert camera.origin.gateway_url == gateway
