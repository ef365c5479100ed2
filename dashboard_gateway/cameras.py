"""The cameras: who may send, by which keys, and where pinning fetches its frames.

A keyless sender (n8n, a script) has a shared secret instead of a public key. Verifying an HMAC
needs the secret itself, so it stands in the table as it is: whoever reads the table can forge that
sender, and none that holds an Ed25519 key of its own.
"""

from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from dashboard_gateway import queue
from pinhole.contract.errors import NotFound, Unprocessable
from pinhole.contract.event import source_of
from pinhole.contract.ids import CameraId, SiteId, is_name
from pinhole.contract.pins import Origin
from pinhole.contract.signing import Ed25519Key, HmacKey, Key
from pinhole.runtime.postgres import Connection, Pool


class UnknownCamera(NotFound):
    """No camera of this name is enrolled at this site."""

    reason = "UNKNOWN_CAMERA"


@dataclass(frozen=True)
class Camera:
    """An enrolled sender."""

    camera_id: int
    site: SiteId
    name: CameraId
    keys: tuple[Key, ...]
    enrolled_at: datetime
    revoked_at: datetime | None
    origin: Origin

    @property
    def source(self) -> str:
        """The `source` of its events."""
        return source_of(self.site, self.name)


@dataclass(frozen=True)
class Enrolment:
    """What an operator says of a camera; at least one key."""

    site: str
    name: str
    public_keys: tuple[Ed25519Key, ...] = ()
    hmac_keys: tuple[HmacKey, ...] = ()
    title: str | None = None
    origin: Origin = field(default_factory=Origin)

    def __post_init__(self) -> None:
        for word in (self.site, self.name):
            if not is_name(word):
                raise Unprocessable(
                    f"{word[:80]!r} is no name: small letters, digits and hyphens, at most 63"
                )
        if not self.public_keys and not self.hmac_keys:
            raise Unprocessable("a camera needs a public key (whpk_…) or a shared secret")


FIND = "SELECT * FROM dashboard.cameras WHERE site = $1 AND name = $2"


async def find(connection: Connection | Pool, site: str, name: str) -> Camera | None:
    """Return the camera of this name, revoked or not."""
    row = await connection.fetchrow(FIND, site, name)
    return None if row is None else _camera(row)


FIND_BY_ID = "SELECT * FROM dashboard.cameras WHERE camera_id = $1"


async def find_by_id(connection: Connection | Pool, camera_id: int) -> Camera | None:
    """Return the camera with this id, revoked or not."""
    row = await connection.fetchrow(FIND_BY_ID, camera_id)
    return None if row is None else _camera(row)


LIST = "SELECT * FROM dashboard.cameras ORDER BY site, name"


async def list_all(connection: Connection | Pool) -> list[Camera]:
    """Return every camera, revoked ones included."""
    return [_camera(row) for row in await connection.fetch(LIST)]


ENROL = """
    INSERT INTO dashboard.cameras
        (site, name, title, public_keys, hmac_secrets, peer_id, gateway_url, addresses)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (site, name) DO UPDATE SET
        title = COALESCE(excluded.title, cameras.title), public_keys = excluded.public_keys,
        hmac_secrets = excluded.hmac_secrets, peer_id = excluded.peer_id,
        gateway_url = excluded.gateway_url, addresses = excluded.addresses, revoked_at = NULL
    RETURNING camera_id
"""


async def enrol(pool: Pool, enrolment: Enrolment) -> int:
    """Let a camera send and return its camera_id; saying it again replaces keys and origin.

    Pinning learns the origin from a job of the same transaction, so that neither a crash nor a
    pinning service that is down at the moment can leave it out.
    """
    origin = enrolment.origin
    async with pool.acquire() as connection, connection.transaction():
        camera_id: int = await connection.fetchval(
            ENROL,
            enrolment.site,
            enrolment.name,
            enrolment.title,
            [key.public for key in enrolment.public_keys],
            [key.secret for key in enrolment.hmac_keys],
            origin.peer_id,
            origin.gateway_url,
            origin.addresses,
        )
        await queue.enqueue_origin(connection, camera_id)
    return camera_id


REVOKE = """
    UPDATE dashboard.cameras SET revoked_at = now()
    WHERE site = $1 AND name = $2 AND revoked_at IS NULL RETURNING camera_id
"""


async def revoke(pool: Pool, site: str, name: str) -> bool:
    """Refuse this camera from now on; return whether it was allowed before.

    Raises:
        UnknownCamera: there is none of this name.
    """
    async with pool.acquire() as connection, connection.transaction():
        camera_id = await connection.fetchval(REVOKE, site, name)
        if camera_id is not None:
            await queue.enqueue_origin(connection, camera_id)
            return True
        if await find(connection, site, name) is None:
            raise UnknownCamera(f"there is no camera {name!r} at the site {site!r}")
        return False


def _camera(row: asyncpg.Record) -> Camera:
    keys: list[Key] = [Ed25519Key(bytes(public)) for public in row["public_keys"]]
    keys += [HmacKey(bytes(secret)) for secret in row["hmac_secrets"]]
    return Camera(
        camera_id=row["camera_id"],
        site=SiteId(row["site"]),
        name=CameraId(row["name"]),
        keys=tuple(keys),
        enrolled_at=row["enrolled_at"],
        revoked_at=row["revoked_at"],
        origin=Origin(
            peer_id=row["peer_id"],
            gateway_url=row["gateway_url"],
            addresses=list(row["addresses"]),
        ),
    )
