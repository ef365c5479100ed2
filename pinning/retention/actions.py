"""What the commands about policies and holds do, on the service's own database."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from pinhole.contract.cid import Cid
from pinhole.contract.dry_runs import ApplyRequest, DryRun, PolicyVersion, PolicyVersions
from pinhole.contract.errors import Unprocessable
from pinhole.contract.holds import Hold, HoldRequest, Holds, LiftRequest, Why
from pinhole.contract.message import Message
from pinhole.contract.policies import PolicySet
from pinhole.runtime.postgres import Pool, create_pool
from pinning.retention import dry_runs, holds, policy_sets
from pinning.retention.why import why
from pinning.settings import PinningSettings

M = TypeVar("M", bound=Message)


@asynccontextmanager
async def _database() -> AsyncIterator[tuple[Pool, PinningSettings]]:
    """Connect to the database that the environment names."""
    settings = PinningSettings.load()
    dsn = settings.postgres_dsn.get_secret_value()
    async with await create_pool(dsn, max_size=4) as pool:
        yield pool, settings


async def list_versions(arguments: argparse.Namespace) -> PolicyVersions:
    """Return every version."""
    del arguments
    async with _database() as (pool, _):
        return await policy_sets.versions(pool)


async def show_policies(arguments: argparse.Namespace) -> PolicyVersion:
    """Return the policies in force, or those of a version."""
    async with _database() as (pool, _):
        if arguments.version is None:
            return await policy_sets.current(pool)
        return await policy_sets.get(pool, arguments.version)


async def try_(arguments: argparse.Namespace) -> DryRun:
    """Return what the policies of a file, or those in force, would remove."""
    tried = None
    if arguments.file is not None:
        tried = _read(await asyncio.to_thread(_text_of, arguments.file)).policies
    async with _database() as (pool, settings):
        return await dry_runs.make(pool, tried, arguments.by, settings.caution, None)


async def apply(arguments: argparse.Namespace) -> PolicyVersion:
    """Put the policies of a dry run into force."""
    asked = _checked(ApplyRequest, dry_run=arguments.dry_run, confirm=arguments.confirm)
    async with _database() as (pool, settings):
        return await dry_runs.apply(
            pool, asked.dry_run, asked.confirm, arguments.by, settings.caution
        )


async def add_hold(arguments: argparse.Namespace) -> Hold:
    """Hold what the arguments name."""
    where = {"site": arguments.site, "camera": arguments.camera}
    given = any(where.values()) or arguments.captured_from or arguments.captured_to
    asked = _checked(
        HoldRequest,
        kind=arguments.kind,
        reason=arguments.reason,
        cids=[Cid.parse(text) for text in arguments.cid] or None,
        where=where if given else None,
        captured_from=arguments.captured_from,
        captured_to=arguments.captured_to,
    )
    async with _database() as (pool, _):
        return await holds.add(pool, asked, arguments.by)


async def list_holds(arguments: argparse.Namespace) -> Holds:
    """Return the holds."""
    async with _database() as (pool, _):
        return Holds(holds=await holds.list_all(pool, lifted=arguments.lifted))


async def lift_hold(arguments: argparse.Namespace) -> Hold:
    """End a hold."""
    asked = _checked(LiftRequest, reason=arguments.reason)
    async with _database() as (pool, _):
        return await holds.lift(pool, arguments.hold, asked.reason, arguments.by)


async def why_(arguments: argparse.Namespace) -> Why:
    """Return why a CID is kept."""
    cid = Cid.parse(arguments.cid)
    async with _database() as (pool, settings):
        return await why(pool, cid, plausible_days=settings.plausible_age_days)


def _text_of(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Unprocessable(f"{file}: {error}") from error


def _checked(model: type[M], **fields: Any) -> M:  # noqa: ANN401 - of any type
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise _sentence(error) from error


def _read(text: str) -> PolicySet:
    """Return the policies in a file, which may be what `policies show --json` printed."""
    try:
        try:
            return PolicySet(policies=PolicyVersion.model_validate_json(text).policies)
        except ValidationError:
            return PolicySet.model_validate_json(text)
    except ValidationError as error:
        raise _sentence(error) from error


def _sentence(error: ValidationError) -> Unprocessable:
    first = error.errors(include_url=False, include_input=False)[0]
    path = ".".join(str(step) for step in first["loc"])
    said = first["msg"].removeprefix("Value error, ")
    return Unprocessable(f"{path}: {said}" if path else said)
