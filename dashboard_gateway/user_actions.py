"""What the commands about users do, on the service's own database."""

import argparse
from collections.abc import Callable, Coroutine
from typing import Any, Final

from dashboard_gateway import passwords, users
from dashboard_gateway.camera_actions import database
from dashboard_gateway.users import NameTaken
from dashboard_gateway.viewers import Role
from pinhole.contract.errors import Unprocessable
from pinhole.contract.ids import is_name

JsonObject = dict[str, Any]


async def add_admin(arguments: argparse.Namespace) -> JsonObject:
    """Make the first administrator; where it is already, say whether its password was changed."""
    password = passwords.one_time()
    async with database() as pool:
        try:
            await users.create(
                pool, _name(arguments.name), Role.ADMIN, passwords.hash_now(password)
            )
        except NameTaken:
            pending = await users.must_change_password(pool, arguments.name)
            return {"name": arguments.name, "created": False, "must_change_password": pending}
    created = {"name": arguments.name, "created": True, "must_change_password": True}
    return {**created, "password": password}


async def add(arguments: argparse.Namespace) -> JsonObject:
    """Make a user, with grants; all of it or nothing."""
    password = passwords.one_time()
    role = Role.ADMIN if arguments.admin else Role.VIEWER
    async with database() as pool, pool.acquire() as connection, connection.transaction():
        name = _name(arguments.name)
        await users.create(connection, name, role, passwords.hash_now(password))
        for site, camera in map(_what, arguments.to):
            await users.grant(connection, name, site, camera)
    return {"name": name, "role": role, "grants": arguments.to, "password": password}


async def list_all(arguments: argparse.Namespace) -> JsonObject:
    """List the users."""
    del arguments
    async with database() as pool, pool.acquire() as connection:
        rows = await users.list_all(connection)
    listed = [
        {
            "name": row["name"],
            "role": row["role"],
            "grants": list(row["grants"]),
            "created_at": row["created_at"].isoformat(),
            "disabled_at": row["disabled_at"].isoformat() if row["disabled_at"] else None,
            "must_change_password": row["must_change_password"],
        }
        for row in rows
    ]
    return {"users": listed}


async def grant(arguments: argparse.Namespace) -> JsonObject:
    """Let a viewer see more."""
    async with database() as pool, pool.acquire() as connection, connection.transaction():
        for site, camera in map(_what, arguments.to):
            await users.grant(connection, arguments.name, site, camera)
    return {"name": arguments.name, "granted": arguments.to}


async def revoke(arguments: argparse.Namespace) -> JsonObject:
    """Take grants back."""
    async with database() as pool, pool.acquire() as connection, connection.transaction():
        taken = [
            text
            for text in arguments.to
            if await users.revoke(connection, arguments.name, *_what(text))
        ]
    return {"name": arguments.name, "revoked": taken}


async def disable(arguments: argparse.Namespace) -> JsonObject:
    """Close an account."""
    async with database() as pool, pool.acquire() as connection:
        await users.disable(connection, arguments.name)
    return {"name": arguments.name, "disabled": True}


async def reset(arguments: argparse.Namespace) -> JsonObject:
    """Give a user a new one-time password."""
    password = passwords.one_time()
    async with database() as pool, pool.acquire() as connection, connection.transaction():
        await users.set_password(
            connection, arguments.name, passwords.hash_now(password), must_change=True
        )
        await users.end_sessions(connection, arguments.name)
    return {"name": arguments.name, "password": password}


ACTIONS: Final[dict[str, Callable[[argparse.Namespace], Coroutine[Any, Any, JsonObject]]]] = {
    "add-admin": add_admin,
    "add": add,
    "ls": list_all,
    "grant": grant,
    "revoke": revoke,
    "disable": disable,
    "reset": reset,
}


def sentence(command: str, answer: JsonObject) -> str:
    """Return what a person is told."""
    if command == "ls":
        return "\n".join(_line(user) for user in answer["users"]) or "no users"
    name = answer["name"]
    if "password" in answer:
        return f"{name} may log in with the one-time password {answer['password']}"
    match command:
        case "grant":
            return f"{name} sees {', '.join(answer['granted'])}"
        case "revoke":
            return f"taken from {name}: {', '.join(answer['revoked']) or 'nothing, it had none'}"
        case "disable":
            return f"{name} may not log in any more"
    return f"{name} is there already"


def _line(user: JsonObject) -> str:
    sees = "everything" if user["role"] == Role.ADMIN else ", ".join(user["grants"]) or "nothing"
    state = "  disabled" if user["disabled_at"] else ""
    return f"{user['name']}  {user['role']}  sees {sees}{state}"


def _name(name: str) -> str:
    if not 0 < len(name.strip()) <= users.MAX_NAME_LENGTH or not name.isprintable():
        raise Unprocessable(f"a user's name has 1 to {users.MAX_NAME_LENGTH} printable characters")
    return name.strip()


def _what(text: str) -> tuple[str, str | None]:
    site, slash, camera = text.partition("/")
    if not is_name(site) or (slash and not is_name(camera)):
        raise Unprocessable(f"a grant is SITE or SITE/CAMERA, got {text[:80]!r}")
    return site, camera or None
