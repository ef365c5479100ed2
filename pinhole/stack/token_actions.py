"""What `pinhole tokens create|ls|revoke` do."""

import argparse
import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from pinhole.contract.scopes import Scope, TokenOption
from pinhole.runtime import token_admin, tokens
from pinhole.runtime.postgres import Pool, create_pool
from pinhole.runtime.token_admin import TokenEntry
from pinhole.stack import run_state
from pinhole.stack.failure import StackFailure
from pinhole.stack.layout import Layout
from pinhole.stack.topology import tokens_file

DSN_VARIABLE = "PINHOLE_POSTGRES_DSN"


@dataclass(frozen=True)
class Place:
    """Where the tokens are: the database, and the detector's list of those it may answer."""

    dsn: str
    detectors_list: Path

    @classmethod
    def here(cls) -> "Place":
        """Return the running stack's place, or the one that the environment names.

        Raises:
            StackFailure: Nothing runs here and nothing is named.

        """
        layout = Layout.here()
        dsn = os.environ.get(DSN_VARIABLE)
        if not dsn:
            state = run_state.read(layout)
            if state is None:
                raise StackFailure(
                    "Pinhole is not running here: start it with `pinhole up`, or say where "
                    f"PostgreSQL is in {DSN_VARIABLE}"
                )
            dsn = state.dsn
        named = os.environ.get("YOLO_TOKENS_FILE")
        return cls(dsn, Path(named) if named else tokens_file(layout))

    async def pool(self) -> Pool:
        """Connect to the database."""
        return await create_pool(self.dsn, max_size=1)

    async def tell_the_detector(self, pool: Pool) -> None:
        """Write the detector's list anew, if its directory is on this machine."""
        if await asyncio.to_thread(self.detectors_list.parent.is_dir):
            await tokens.export_tokens(pool, Scope.INFERENCE, self.detectors_list)


def create(arguments: argparse.Namespace) -> int:
    """Make a token and print its secret, this once."""
    secret = asyncio.run(_create(Place.here(), arguments))
    sys.stdout.write(f"{secret}\n")
    return 0


async def _create(place: Place, arguments: argparse.Namespace) -> str:
    scopes = [Scope(scope) for scope in arguments.scope]
    async with await place.pool() as pool:
        try:
            secret = await tokens.create_token(
                pool,
                arguments.name,
                scopes,
                cameras=arguments.camera,
                options=_options(arguments),
            )
        except asyncpg.UniqueViolationError as error:
            raise StackFailure(
                f"there is a token {arguments.name!r} already; each name is used once"
            ) from error
        await place.tell_the_detector(pool)
    return secret


def _options(arguments: argparse.Namespace) -> dict[str, object]:
    given: dict[str, object] = {
        TokenOption.UNFINISHED_IN_LISTS.value: arguments.unfinished_in_lists,
        TokenOption.ORIGIN_PEERS.value: arguments.origin_peer,
        TokenOption.ORIGIN_NETWORKS.value: arguments.origin_network,
    }
    return {name: value for name, value in given.items() if value}


def show(arguments: argparse.Namespace) -> int:
    """Print the tokens, one a line."""
    del arguments
    for entry in asyncio.run(_list(Place.here())):
        state = "revoked" if entry.revoked_at else "valid"
        limits = ",".join(entry.cameras) if entry.cameras is not None else "all cameras"
        scopes = ",".join(entry.scopes)
        line = (entry.name, state, f"{entry.created_at:%Y-%m-%d}", scopes, limits)
        options = (f"{name}={_said(value)}" for name, value in sorted(entry.options.items()))
        sys.stdout.write("  ".join((*line, *options)) + "\n")
    return 0


def _said(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "yes" if value is True else str(value)


async def _list(place: Place) -> list[TokenEntry]:
    async with await place.pool() as pool:
        return await token_admin.list_tokens(pool)


def revoke(arguments: argparse.Namespace) -> int:
    """End a token."""
    if not asyncio.run(_revoke(Place.here(), arguments.name)):
        raise StackFailure(f"there is no valid token {arguments.name!r}")
    sys.stdout.write(f"revoked {arguments.name}\n")
    return 0


async def _revoke(place: Place, name: str) -> bool:
    async with await place.pool() as pool:
        revoked = await token_admin.revoke_token(pool, name)
        await place.tell_the_detector(pool)
    return revoked
