"""What containers need done once: tokens made valid, the camera beside them enrolled.

The secrets are files that deploy/make-secrets.sh made. Their hashes go into PostgreSQL, and into
the file from which the detector, which has no database, reads who may ask it. Saying any of it
again changes nothing, so it runs at every start.

    python prepare.py                     the services' own tokens
    python prepare.py tokens …            as `pinhole tokens …`: create, ls, revoke
    python prepare.py camera SITE NAME    enrol the camera whose key is the secret camera_key,
                                          its trustless gateway at PINHOLE_CAMERA_GATEWAY_URL
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import NoReturn

from pinhole.contract.scopes import Scope
from pinhole.contract.signing import Ed25519Signer
from pinhole.runtime import token_admin, tokens
from pinhole.runtime.migrations import migrate
from pinhole.runtime.postgres import create_pool
from pinhole.runtime.settings import read_secret_file
from pinhole.stack.access import GRANTS

# The others of the stack's grants are for its own commands.
SERVICES = ("dashboard", "yolo")


async def keep_service_tokens(dsn: str, secrets_dir: Path, tokens_file: Path) -> None:
    """Enter the services' tokens, each read from the secret named like its variable."""
    async with await create_pool(dsn, max_size=1) as pool:
        for grant in GRANTS:
            if grant.holder not in SERVICES:
                continue
            secret = read_secret_file(secrets_dir / grant.variable.lower())
            await token_admin.keep_token(pool, grant.token_name, secret, grant.scopes)
        await tokens.export_tokens(pool, Scope.INFERENCE, tokens_file)


def token_command(dsn: str, tokens_file: Path, arguments: list[str]) -> NoReturn:
    """Become `pinhole tokens …` on this database."""
    environment = {
        **os.environ,
        "PINHOLE_POSTGRES_DSN": dsn,
        "YOLO_TOKENS_FILE": str(tokens_file),
    }
    command = [sys.executable, "-m", "pinhole.cli", "tokens", *arguments]
    os.execve(sys.executable, command, environment)  # noqa: S606 - our own interpreter and module


def enrol_camera(secrets_dir: Path, gateway_url: str, site: str, name: str) -> NoReturn:
    """Become the dashboard's command that enrols this camera."""
    key = Ed25519Signer.parse(read_secret_file(secrets_dir / "camera_key")).public
    command = [sys.executable, "-m", "dashboard_gateway", "cameras", "add", site, name]
    command += ["--public-key", str(key), "--gateway-url", gateway_url]
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter and module


def main(arguments: list[str]) -> None:
    """Do what the command line asks for."""
    secrets_dir = Path(os.environ["PINHOLE_SECRETS_DIR"])
    if arguments[:1] == ["camera"]:
        enrol_camera(secrets_dir, os.environ["PINHOLE_CAMERA_GATEWAY_URL"], *arguments[1:])
    tokens_file = Path(os.environ["PINHOLE_TOKENS_FILE"])
    dsn = read_secret_file(secrets_dir / "pinhole_postgres_dsn")
    migrate(dsn, "pinhole.runtime.access", "access")
    if arguments[:1] == ["tokens"]:
        token_command(dsn, tokens_file, arguments[1:])
    asyncio.run(keep_service_tokens(dsn, secrets_dir, tokens_file))


if __name__ == "__main__":
    main(sys.argv[1:])
