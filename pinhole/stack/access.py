"""The secrets by which the stack's parts know one another, made at the first start."""

import asyncio
import secrets
from dataclasses import dataclass

from pinhole.contract.scopes import Scope
from pinhole.contract.signing import Ed25519Key, Ed25519Signer
from pinhole.runtime import token_admin, tokens
from pinhole.runtime.postgres import Pool
from pinhole.stack import secret_files
from pinhole.stack.layout import Layout
from pinhole.stack.topology import Camera, Topology


@dataclass(frozen=True)
class Grant:
    """What one service may do at another: the token is in `holder`'s secrets as `variable`."""

    holder: str
    variable: str
    scopes: frozenset[Scope]

    @property
    def token_name(self) -> str:
        """The token's name in the table."""
        return f"service-{self.variable.lower().removesuffix('_token').replace('_', '-')}"


PAGE = Grant("pinhole", "PINHOLE_PAGE_TOKEN", frozenset({Scope.FRAMES_READ}))
GRANTS = (
    # Origins and pins of cameras, and the frames that cameras push.
    Grant(
        "dashboard", "DASHBOARD_PINNING_TOKEN", frozenset({Scope.PINS_SERVICE, Scope.BLOCKS_WRITE})
    ),
    Grant("dashboard", "DASHBOARD_YOLO_TOKEN", frozenset({Scope.INFERENCE})),
    # `pinhole up` looks when the first boxes are on the page.
    PAGE,
    # Binary mode stores bytes in the name of whoever called the detector.
    Grant("yolo", "YOLO_PINNING_TOKEN", frozenset({Scope.BLOCKS_WRITE, Scope.PINS_SERVICE})),
)


def rpc_token(layout: Layout, holder: str, variable: str) -> str:
    """Return the token of a Kubo node's RPC, which only `holder` knows."""
    return secret_files.kept(
        layout.secrets_dir(holder) / variable.lower(), lambda: secrets.token_urlsafe(32)
    )


def camera_key(layout: Layout, camera: Camera) -> Ed25519Key:
    """Return the public half of a camera's key; the private half stays in its file."""
    path = camera.key_file(layout)
    text = secret_files.kept(path, lambda: Ed25519Signer.generate().export())
    return Ed25519Signer.parse(text).public


def make_secrets(topology: Topology) -> None:
    """Make the services' tokens where they are not yet, and an empty list for the detector."""
    for grant in GRANTS:
        secret_of(topology, grant)
    for camera in topology.cameras:
        # An RTSP address may hold a password: it is a secret like the others.
        directory = topology.layout.secrets_dir(camera.program_name)
        secret_files.write(directory / "camera_source", camera.source)
    if not topology.tokens_file.exists():
        tokens.write_tokens(topology.tokens_file, [])


async def make_valid(pool: Pool, topology: Topology) -> None:
    """Enter the tokens in the table, and tell the detector whom it may answer."""
    for grant in GRANTS:
        secret = await asyncio.to_thread(secret_of, topology, grant)
        await token_admin.keep_token(pool, grant.token_name, secret, grant.scopes)
    await export(pool, topology)


async def export(pool: Pool, topology: Topology) -> None:
    """Write the detector's list of tokens anew; it notices by itself."""
    await tokens.export_tokens(pool, Scope.INFERENCE, topology.tokens_file)


def secret_of(topology: Topology, grant: Grant) -> str:
    """Return a service's token, made where there is none yet."""
    path = topology.layout.secrets_dir(grant.holder) / grant.variable.lower()
    return secret_files.kept(path, lambda: tokens.mint()[0])
