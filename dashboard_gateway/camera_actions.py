"""What the commands about cameras do, on the service's own database."""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dashboard_gateway import cameras
from dashboard_gateway.cameras import Enrolment
from dashboard_gateway.settings import DashboardSettings
from pinhole.contract.errors import Unprocessable
from pinhole.contract.pins import Origin
from pinhole.contract.signing import Ed25519Key, HmacKey
from pinhole.runtime.postgres import Pool, create_pool

JsonObject = dict[str, Any]


@asynccontextmanager
async def database() -> AsyncIterator[Pool]:
    """Connect to the database that the environment names."""
    settings = DashboardSettings.load()
    pool = await create_pool(settings.postgres_dsn.get_secret_value(), max_size=1)
    try:
        yield pool
    finally:
        await pool.close()


async def add(arguments: argparse.Namespace) -> JsonObject:
    """Enrol a camera; return it with the shared secret, if one was made."""
    secret = HmacKey.generate() if arguments.hmac else None
    enrolment = Enrolment(
        site=arguments.site,
        name=arguments.name,
        public_keys=tuple(_public_key(text) for text in arguments.public_key),
        hmac_keys=(secret,) if secret is not None else (),
        title=arguments.title,
        origin=Origin(
            peer_id=arguments.peer_id,
            gateway_url=arguments.gateway_url,
            addresses=arguments.address,
        ),
    )
    async with database() as pool:
        camera_id = await cameras.enrol(pool, enrolment)
    answer: JsonObject = {"camera_id": camera_id, "site": enrolment.site, "name": enrolment.name}
    if secret is not None:
        answer["hmac_secret"] = str(secret)
    return answer


async def list_all() -> list[JsonObject]:
    """Return every camera."""
    async with database() as pool:
        return [
            {
                "camera_id": camera.camera_id,
                "site": camera.site,
                "name": camera.name,
                "enrolled_at": camera.enrolled_at.isoformat(),
                "revoked_at": camera.revoked_at.isoformat() if camera.revoked_at else None,
                **camera.origin.model_dump(),
            }
            for camera in await cameras.list_all(pool)
        ]


async def revoke(arguments: argparse.Namespace) -> bool:
    """Revoke a camera; return whether it was allowed before."""
    async with database() as pool:
        return await cameras.revoke(pool, arguments.site, arguments.name)


def _public_key(text: str) -> Ed25519Key:
    try:
        return Ed25519Key.parse(text)
    except ValueError as error:
        raise Unprocessable(f"{text[:80]!r} is no public key (whpk_…): {error}") from error
