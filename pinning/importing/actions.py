"""What `pinhole import` and `pinhole imports` do.

The import runs in a process of its own beside the service, on the same database and the same Kubo,
and not through the service's HTTP. Its bytes then pass one socket instead of two (see `bench`,
family import); cameras' frames do not wait behind it in the keeper's queue; and no route has to
take paths. That is safe because the locks by CID are PostgreSQL's: they hold across processes.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import uvloop

from pinhole.contract.errors import Refused
from pinhole.runtime import logging as pinhole_logging
from pinhole.runtime.http import client_session
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.migrations import migrate
from pinhole.runtime.postgres import Pool, create_pool
from pinhole.runtime.tasks import Supervisor
from pinning.app import POSTGRES
from pinning.hub import Hub
from pinning.importing import journal
from pinning.importing.chunks import Chunks, check_root, read_all
from pinning.importing.files import Skipped
from pinning.importing.importer import Importer, Step
from pinning.importing.journal import Counts
from pinning.importing.report import Report
from pinning.keeper import LANES, Keeper
from pinning.settings import PinningSettings

COMPLETE: Final = 0
SKIPPED: Final = 3


def import_tree(arguments: argparse.Namespace) -> int:
    """Run `pinhole import`."""
    pinhole_logging.set_up("warning")
    report = Report(as_json=arguments.json)
    work = _dry_run if arguments.dry_run else _import
    counts = uvloop.run(_until_told(work(arguments, report)))
    return SKIPPED if counts.skipped else COMPLETE


async def _until_told(work: Coroutine[None, None, Counts]) -> Counts:
    """Run `work`; SIGTERM ends it as Ctrl-C does."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _import(arguments: argparse.Namespace, report: Report) -> Counts:
    settings = PinningSettings.load()
    root = await asyncio.to_thread(arguments.tree.resolve)
    await check_root(root)
    async with _parts(settings) as (pool, keeper):
        run = await journal.begin(pool, _name(root), arguments.owner)
        report.begin(run)
        try:
            ended = await Importer(pool, keeper, root, run, report.tell).import_all()
        except asyncio.CancelledError:
            report.interrupted()
            raise
    report.end(ended)
    return ended.counts


async def _dry_run(arguments: argparse.Namespace, report: Report) -> Counts:
    root = await asyncio.to_thread(arguments.tree.resolve)
    await check_root(root)
    loop = asyncio.get_running_loop()
    chunks = Chunks(root)
    report.begin_dry_run(_name(root))
    with ThreadPoolExecutor(1) as thread:
        while items := await loop.run_in_executor(thread, chunks.take):
            settled = await loop.run_in_executor(thread, read_all, root, items)
            skipped = [file for file in settled if isinstance(file, Skipped)]
            good = [file for file in settled if not isinstance(file, Skipped)]
            size_bytes = sum(len(file.data) for file in good)
            counts = Counts(len(good), 0, len(skipped), size_bytes)
            report.tell(Step(items[-1].path, counts, skipped))
    return report.end_dry_run()


@asynccontextmanager
async def _parts(settings: PinningSettings) -> AsyncIterator[tuple[Pool, Keeper]]:
    """Open what the service opens for keeping: the database, the hub, the keeper with its lanes."""
    dsn = settings.postgres_dsn.get_secret_value()
    await asyncio.to_thread(migrate, dsn, "pinning.migrations", "pinning")
    token = settings.kubo_rpc_token
    secret = token.get_secret_value() if token is not None else None
    async with (
        await create_pool(dsn, max_size=2 * LANES, server_settings=POSTGRES) as pool,
        client_session() as session,
    ):
        rpc = KuboRpc(session, settings.kubo_rpc_url, token=secret)
        await rpc.identity(timeout_s=settings.kubo_timeout_s)  # wrong settings show at once
        hub = Hub(rpc, timeout_s=settings.kubo_timeout_s)
        keeper = Keeper(pool, hub, batch=settings.keep_batch)
        supervisor = Supervisor()
        for number in range(1, LANES + 1):
            supervisor.start(f"keeper-{number}", keeper.run_lane, stalls_after_s=60)
        try:
            yield pool, keeper
        finally:
            await supervisor.stop()


def _name(root: Path) -> str:
    """Return the tree's name for the journal."""
    text = str(root)
    if journal.shown(text) != text:
        raise Refused(f"{journal.shown(text)}: the tree's own path has to be UTF-8")
    return text


def show(arguments: argparse.Namespace) -> int:
    """Run `pinhole imports`."""
    with contextlib.suppress(BrokenPipeError):
        asyncio.run(_show(arguments))
        sys.stdout.flush()
    return COMPLETE


async def _show(arguments: argparse.Namespace) -> None:
    settings = PinningSettings.load()
    report = Report(as_json=arguments.json)
    async with await create_pool(settings.postgres_dsn.get_secret_value(), max_size=1) as pool:
        if arguments.import_id is None:
            for run in await journal.newest(pool):
                report.show(run)
            return
        run = await journal.find(pool, arguments.import_id)
        report.show(run)
        async for skipped in journal.skips(pool, run):
            report.skipped(skipped)
