"""Users: their names, roles, passwords and what they may see."""

from dataclasses import dataclass
from typing import Final

import asyncpg

from dashboard_gateway.viewers import Role
from pinhole.contract.errors import Conflict, NotFound
from pinhole.runtime.postgres import Connection, Pool, rows_affected

MAX_NAME_LENGTH: Final = 100


class NameTaken(Conflict):
    """There is a user of that name already."""

    reason = "NAME_TAKEN"


class NoSuchUser(NotFound):
    """There is no user of that name."""

    reason = "NO_SUCH_USER"


class NoSuchCamera(NotFound):
    """A grant names a camera that is not enrolled."""

    reason = "NO_SUCH_CAMERA"


@dataclass(frozen=True)
class User:
    """What a log-in needs of a user."""

    user_id: int
    name: str
    role: Role
    password_hash: str


FIND = """
    SELECT user_id, name, role, password_hash FROM dashboard.users
    WHERE name = $1 AND disabled_at IS NULL
"""


async def find(connection: Pool | Connection, name: str) -> User | None:
    """Return the enabled user of that name."""
    row = await connection.fetchrow(FIND, name)
    if row is None:
        return None
    return User(row["user_id"], row["name"], Role(row["role"]), row["password_hash"])


CREATE = """
    INSERT INTO dashboard.users (name, role, password_hash) VALUES ($1, $2, $3) RETURNING user_id
"""


async def create(connection: Pool | Connection, name: str, role: Role, password_hash: str) -> int:
    """Store a user who must change the password at the first log-in; return its id.

    Raises:
        NameTaken: the name is in use, also by a disabled user.
    """
    try:
        user_id: int = await connection.fetchval(CREATE, name, role, password_hash)
    except asyncpg.UniqueViolationError as error:
        raise NameTaken(f"there is a user {name!r} already") from error
    return user_id


CHANGE_PASSWORD = """
    UPDATE dashboard.users SET password_hash = $2, must_change_password = $3 WHERE name = $1
"""  # noqa: S105 - a statement


async def set_password(
    connection: Pool | Connection, name: str, password_hash: str, *, must_change: bool
) -> None:
    """Give a user another password.

    Raises:
        NoSuchUser: there is none of that name.
    """
    status = await connection.execute(CHANGE_PASSWORD, name, password_hash, must_change)
    if rows_affected(status) == 0:
        raise NoSuchUser(f"there is no user {name!r}")


MUST_CHANGE = "SELECT must_change_password FROM dashboard.users WHERE name = $1"


async def must_change_password(connection: Pool | Connection, name: str) -> bool:
    """Whether the user's password is a one-time one that was not changed yet."""
    return bool(await connection.fetchval(MUST_CHANGE, name))


DISABLE = "UPDATE dashboard.users SET disabled_at = coalesce(disabled_at, now()) WHERE name = $1"
END_SESSIONS = """
    DELETE FROM dashboard.sessions s USING dashboard.users u
    WHERE s.user_id = u.user_id AND u.name = $1
"""


async def disable(connection: Connection, name: str) -> None:
    """Close a user's account and end its sessions; effective everywhere within 2 s.

    Raises:
        NoSuchUser: there is none of that name.
    """
    async with connection.transaction():
        if rows_affected(await connection.execute(DISABLE, name)) == 0:
            raise NoSuchUser(f"there is no user {name!r}")
        await end_sessions(connection, name)


async def end_sessions(connection: Connection, name: str) -> None:
    """End every session of a user, everywhere within 2 s."""
    await connection.execute(END_SESSIONS, name)


GRANT = """
    INSERT INTO dashboard.grants (user_id, site, camera_id)
    SELECT u.user_id, $2, c.camera_id
    FROM dashboard.users u LEFT JOIN dashboard.cameras c ON c.site = $2 AND c.name = $3
    WHERE u.name = $1 AND ($3::text IS NULL OR c.camera_id IS NOT NULL)
    ON CONFLICT DO NOTHING
"""
GRANTED = """
    SELECT EXISTS (SELECT FROM dashboard.grants g JOIN dashboard.users u USING (user_id)
                   LEFT JOIN dashboard.cameras c USING (camera_id)
                   WHERE u.name = $1 AND g.site = $2 AND c.name IS NOT DISTINCT FROM $3)
"""


async def grant(connection: Connection, name: str, site: str, camera: str | None) -> None:
    """Let a viewer see a site, or one camera of it.

    Raises:
        NoSuchCamera: no such user, or no such camera at the site.
    """
    await connection.execute(GRANT, name, site, camera)
    if not await connection.fetchval(GRANTED, name, site, camera):
        what = f"{site}/{camera}" if camera else site
        raise NoSuchCamera(f"cannot grant {what} to {name!r}: no such user or camera")


REVOKE = """
    DELETE FROM dashboard.grants g USING dashboard.users u
    WHERE g.user_id = u.user_id AND u.name = $1 AND g.site = $2
      AND CASE WHEN $3::text IS NULL THEN g.camera_id IS NULL ELSE g.camera_id = (
          SELECT camera_id FROM dashboard.cameras WHERE site = $2 AND name = $3) END
"""


async def revoke(connection: Connection, name: str, site: str, camera: str | None) -> bool:
    """Take a grant back; return whether there was one. Effective everywhere within 2 s."""
    return rows_affected(await connection.execute(REVOKE, name, site, camera)) > 0


LIST = """
    SELECT u.name, u.role, u.created_at, u.disabled_at, u.must_change_password,
           coalesce(array_agg(g.site || coalesce('/' || c.name, '') ORDER BY g.site, c.name)
                    FILTER (WHERE g.site IS NOT NULL), '{}') AS grants
    FROM dashboard.users u LEFT JOIN dashboard.grants g USING (user_id)
         LEFT JOIN dashboard.cameras c USING (camera_id)
    GROUP BY u.user_id ORDER BY u.name
"""


async def list_all(connection: Connection) -> list[asyncpg.Record]:
    """Return every user with its grants ("site" or "site/camera"), by name."""
    return list(await connection.fetch(LIST))
