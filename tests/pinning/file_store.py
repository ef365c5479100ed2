"""An existing file store, and the command that takes it into the hub."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinhole.contract.cid import Cid
from pinhole.stack.kubo_node import KuboNode
from pinning.tree import path_of

OWNER = "token:file-store"
_COMMAND = Path(__file__).parent / "importing" / "command.py"


def jpeg(size_bytes: int = 3_000) -> bytes:
    """Return bytes that begin as a JPEG does and that no test has seen before."""
    return b"\xff\xd8\xff\xe0" + os.urandom(size_bytes - 4)


@dataclass(frozen=True)
class Tree:
    """A file store in its layout."""

    root: Path

    def add(self, data: bytes, path: str | None = None) -> Cid:
        """Write a file, under its own name or another."""
        cid = Cid.of(data)
        place = self.root / (path or path_of(cid))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        return cid

    def fill(self, count: int, size_bytes: int = 3_000) -> set[Cid]:
        """Write `count` new pictures."""
        return {self.add(jpeg(size_bytes)) for _ in range(count)}


@dataclass(frozen=True)
class Ended:
    """How a command ended: its status, and the JSON objects that it wrote, by kind."""

    status: int
    lines: list[dict[str, Any]]
    stderr: str

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [line[kind] for line in self.lines if kind in line]

    @property
    def counts(self) -> tuple[int, int, int]:
        """Imported, known, skipped."""
        (summary,) = self.of_kind("import") or self.of_kind("dry_run")
        return summary["imported"], summary["known"], summary["skipped"]


@dataclass
class Command:
    """`pinhole import` on this test's database and hub, in a process of its own."""

    environment: dict[str, str]

    @contextlib.asynccontextmanager
    async def started(self, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run a command for the length of a block; kill it at the end if it still runs."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(_COMMAND), *words),
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.communicate()

    async def __call__(self, *words: str) -> Ended:
        """Run a command to its end."""
        async with self.started(*words, "--json") as process:
            stdout, stderr = await process.communicate()
            assert process.returncode is not None
            lines = [json.loads(line) for line in stdout.splitlines()]
            return Ended(process.returncode, lines, stderr.decode())

    async def import_(self, tree: Tree, *words: str, owner: str = OWNER) -> Ended:
        """Import a tree."""
        return await self("import", str(tree.root), "--owner", owner, *words)


def command_on(postgres_dsn: str, hub_kubo: KuboNode) -> Command:
    """Return the command with the settings of a test's database and hub."""
    environment = {
        **os.environ,
        "PINNING_POSTGRES_DSN": postgres_dsn,
        "PINNING_KUBO_RPC_URL": hub_kubo.rpc_url,
        "PINNING_KUBO_TIMEOUT_S": "5",
        "PYTHONPATH": os.pathsep.join((str(Path.cwd()), os.environ.get("PYTHONPATH", ""))),
    }
    return Command(environment)


def binaries(cids: Iterable[Cid]) -> set[bytes]:
    return {cid.binary for cid in cids}
