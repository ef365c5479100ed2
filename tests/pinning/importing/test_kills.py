"""SIGKILL at any moment of an import: it goes on, counts are right, nothing is doubled or lost."""

import asyncio
import os
import random
import signal

import pytest

from pinhole.contract.cid import Cid
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool
from pinning.importing.walking import share_before
from pinning.tree import path_of
from tests.pinning.file_store import OWNER, Command, Tree, binaries
from tests.support.polling import eventually

# Shorter than one chunk of 32 files takes: it dies anywhere in its work on several of them.
_LONGEST_S = 0.05
PLACE = "SELECT cursor FROM pinning.imports"


async def _kill_behind(share: float, tree: Tree, command: Command, pool: Pool) -> None:
    """Start the import; kill it a moment after it has passed this share of the tree."""

    async def has_passed() -> bool:
        cursor = await pool.fetchval(PLACE)
        return cursor is not None and (share_before(os.fsdecode(cursor)) or 0) >= share

    words = ("import", str(tree.root), "--owner", OWNER, "--json")
    async with command.started(*words) as process:
        assert process.stderr is not None
        await process.stderr.readline()  # "… begins": it is at work
        await eventually(has_passed, timeout_s=60)
        # The length of this pause is what is tested: where in its work the process dies.
        await asyncio.sleep(random.uniform(0, _LONGEST_S))  # noqa: S311 - no secret
        assert process.returncode is None, "it ended before it was killed"
        process.send_signal(signal.SIGKILL)
        await process.communicate()


@pytest.mark.parametrize("kills", [10, pytest.param(100, marks=pytest.mark.long)])
@pytest.mark.timeout(1800)
async def test_an_import_killed_again_and_again_takes_every_file_exactly_once(
    tree: Tree, command: Command, pool: Pool, hub: KuboRpc, kills: int
) -> None:
    cids = tree.fill(kills * 150, 2_000)
    wrong = {path_of(Cid.of(bytes([number]))) for number in range(20)}
    for path in wrong:
        tree.add(b"not what the name says", path)
    for kill in range(1, kills + 1):
        await _kill_behind(kill / (kills + 2), tree, command, pool)
        finished = "SELECT count(*) FROM pinning.imports WHERE finished_at IS NOT NULL"
        assert await pool.fetchval(finished) == 0

    ended = await command.import_(tree)

    assert (ended.status, ended.counts) == (3, (len(cids), 0, len(wrong))), ended.stderr
    assert ended.of_kind("import")[0]["bytes"] == len(cids) * 2_000
    assert await pool.fetchval("SELECT count(*) FROM pinning.imports") == 1
    skips = [bytes(row["path"]) for row in await pool.fetch("SELECT * FROM pinning.import_skips")]
    assert sorted(skips) == sorted(path.encode() for path in wrong)
    for table in ("pins", "bindings", "blocks"):
        rows = await pool.fetch(f"SELECT cid FROM pinning.{table}")  # noqa: S608
        assert len(rows) == len(cids), table
        assert {bytes(row["cid"]) for row in rows} == binaries(cids), table
    pending = "SELECT count(*) FROM pinning.bindings WHERE expires_at IS NOT NULL"
    assert await pool.fetchval(pending) == 0
    statuses = await pool.fetch("SELECT DISTINCT status FROM pinning.pins")
    assert [row["status"] for row in statuses] == ["pinned"]
    for cid in random.sample(sorted(cids, key=str), 100):
        assert await hub.is_pinned(cid)
        assert cid.matches(await hub.block_get(cid))
