"""`pinhole import`: what becomes blocks and pins, what is skipped and why, what it says."""

import asyncio
import hashlib
import os
import re
import signal

import pytest

from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid
from pinhole.contract.scopes import Scope
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool
from pinning.importing.files import Skip
from pinning.importing.importer import Step
from pinning.importing.journal import Counts
from pinning.importing.progress import Progress, duration
from pinning.tree import path_of
from tests.pinning.conftest import Service
from tests.pinning.file_store import OWNER, Command, Tree, binaries, jpeg
from tests.support.polling import eventually


async def owned(pool: Pool, table: str, owner: str = OWNER) -> set[bytes]:
    rows = await pool.fetch(f"SELECT cid FROM pinning.{table} WHERE owner = $1", owner)  # noqa: S608
    assert len(rows) == len({bytes(row["cid"]) for row in rows}), f"doubled in {table}"
    return {bytes(row["cid"]) for row in rows}


async def test_every_picture_becomes_a_block_bound_and_pinned_for_the_owner(
    tree: Tree, command: Command, pool: Pool, hub: KuboRpc
) -> None:
    cids = tree.fill(70)
    ended = await command.import_(tree)
    assert (ended.status, ended.counts) == (0, (70, 0, 0)), ended.stderr
    assert ended.of_kind("import")[0]["bytes"] == 70 * 3_000
    assert await owned(pool, "pins") == await owned(pool, "bindings") == binaries(cids)
    for cid in cids:
        assert await hub.is_pinned(cid)
        assert cid.matches(await hub.block_get(cid))
    rows = await pool.fetch("SELECT * FROM pinning.bindings")
    assert {(row["source"], row["expires_at"]) for row in rows} == {("import", None)}


async def test_a_pin_says_where_its_picture_came_from(
    tree: Tree, command: Command, pool: Pool
) -> None:
    cid = tree.add(jpeg())
    os.utime(tree.root / path_of(cid), (1_700_000_000, 1_700_000_000))
    ended = await command.import_(tree, owner="camera:harbour/gate-1")
    pin = await pool.fetchrow("SELECT * FROM pinning.pins")
    assert pin is not None
    assert pin["meta"] == {
        "kind": "import",
        "import_id": ended.of_kind("import")[0]["import_id"],
        "source_path": str(tree.root / path_of(cid)),
        "stored_at": "2023-11-14T22:13:20+00:00",
    }
    typed = (pin["status"], pin["kind"], pin["site"], pin["camera"], pin["size_bytes"])
    assert typed == ("pinned", "import", "harbour", "gate-1", 3_000)


async def test_the_owner_lists_what_was_imported_by_the_import(
    tree: Tree, command: Command, service: Service
) -> None:
    cids = tree.fill(3)
    ended = await command.import_(tree)
    client = await service.caller("file-store", Scope.PINS_READ)
    import_id = ended.of_kind("import")[0]["import_id"]
    status, answer = await client.call(
        "GET", "/pins", params={"meta": f'{{"import_id": "{import_id}"}}'}
    )
    assert (status, answer["count"]) == (200, 3)
    assert {pin["pin"]["cid"] for pin in answer["results"]} == set(map(str, cids))


async def test_what_does_not_fit_is_skipped_with_its_reason_and_told(
    tree: Tree, command: Command, pool: Pool
) -> None:
    good = tree.fill(3)
    other = Cid.of(b"other")
    wrong = path_of(other)
    tree.add(jpeg(), wrong)
    large = tree.add(jpeg(MAX_BLOCK_BYTES + 1))
    page = tree.add(b"<html>a page under a picture's name</html>")
    empty = tree.add(b"")
    directory = path_of(Cid.of(b"directory"))
    (tree.root / directory).mkdir(parents=True)
    pipe = path_of(Cid.of(b"pipe"))
    (tree.root / pipe).parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(tree.root / pipe)
    tree.add(jpeg(), "ab/Thumbs.db")
    ended = await command.import_(tree)
    assert (ended.status, ended.counts) == (3, (3, 0, 7)), ended.stderr
    told = {skip["path"]: skip for skip in ended.of_kind("skipped")}
    assert {path: skip["reason"] for path, skip in told.items()} == {
        wrong: Skip.HASH_MISMATCH,
        path_of(large): Skip.TOO_LARGE,
        path_of(page): Skip.NOT_AN_IMAGE,
        path_of(empty): Skip.NOT_AN_IMAGE,
        directory: Skip.MISNAMED,
        pipe: Skip.UNREADABLE,
        "ab/Thumbs.db": Skip.MISNAMED,
    }
    assert str(MAX_BLOCK_BYTES) in told[path_of(large)]["details"]
    actual = hashlib.sha256((tree.root / wrong).read_bytes()).hexdigest()
    assert actual in told[wrong]["details"]
    assert await owned(pool, "pins") == binaries(good)


async def test_skipped_files_can_be_listed_later(tree: Tree, command: Command) -> None:
    tree.fill(2)
    tree.add(b"x", os.fsdecode(b"caf\xe9.jpg"))
    ended = await command.import_(tree)
    (listed,) = (await command("imports")).of_kind("import")
    assert listed == ended.of_kind("import")[0]
    report = await command("imports", listed["import_id"])
    assert report.of_kind("skipped") == ended.of_kind("skipped")
    assert report.of_kind("skipped")[0]["path"] == r"caf\udce9.jpg"


async def test_a_dry_run_tells_the_same_and_changes_nothing(
    tree: Tree, command: Command, pool: Pool, hub: KuboRpc
) -> None:
    cids = tree.fill(40)
    tree.add(jpeg(), path_of(Cid.of(b"other")))
    dry = await command.import_(tree, "--dry-run")
    assert (dry.status, dry.counts) == (3, (40, 0, 1)), dry.stderr
    for table in ("pins", "bindings", "blocks", "imports", "import_skips"):
        assert await pool.fetchval(f"SELECT count(*) FROM pinning.{table}") == 0, table  # noqa: S608
    assert await hub.block_stat(next(iter(cids))) is None
    assert (await command.import_(tree)).of_kind("skipped") == dry.of_kind("skipped")


async def test_importing_the_same_tree_again_doubles_nothing_and_takes_what_is_new(
    tree: Tree, command: Command, pool: Pool
) -> None:
    first = tree.fill(20)
    await command.import_(tree)
    second = tree.fill(5)
    ended = await command.import_(tree)
    assert (ended.status, ended.counts) == (0, (5, 20, 0))
    assert await owned(pool, "pins") == await owned(pool, "bindings") == binaries(first | second)
    assert await pool.fetchval("SELECT count(*) FROM pinning.imports") == 2


async def test_the_same_bytes_of_another_owner_are_bound_and_pinned_for_this_one_too(
    tree: Tree, command: Command, pool: Pool
) -> None:
    cids = tree.fill(4)
    for owner in (OWNER, "camera:harbour/gate-1"):
        assert (await command.import_(tree, owner=owner)).counts == (4, 0, 0)
        assert await owned(pool, "pins", owner) == binaries(cids)
    assert await pool.fetchval("SELECT count(*) FROM pinning.blocks") == 4


async def test_erased_pictures_are_not_taken_again(
    tree: Tree, command: Command, pool: Pool, hub: KuboRpc
) -> None:
    erased, kept = tree.add(jpeg()), tree.add(jpeg())
    await pool.execute("INSERT INTO pinning.tombstones (cid) VALUES ($1)", erased.binary)
    ended = await command.import_(tree)
    assert ended.counts == (1, 0, 1)
    assert [skip["reason"] for skip in ended.of_kind("skipped")] == [Skip.ERASED]
    assert await owned(pool, "pins") == binaries([kept])
    assert await hub.block_stat(erased) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_interrupted_import_says_so_and_goes_on_where_it_was(
    tree: Tree, command: Command, pool: Pool, number: signal.Signals
) -> None:
    cids = tree.fill(300)
    words = ("import", str(tree.root), "--owner", OWNER, "--json")
    async with command.started(*words) as process:
        assert process.stderr is not None
        await process.stderr.readline()
        process.send_signal(number)
        _, said = await process.communicate()
        assert process.returncode == 130
        assert b"the same command goes on here" in said
    ended = await command.import_(tree)
    assert (ended.status, ended.counts) == (0, (300, 0, 0))
    assert await owned(pool, "pins") == binaries(cids)
    assert await pool.fetchval("SELECT count(*) FROM pinning.imports") == 1


async def test_a_second_process_takes_an_import_over_and_the_first_stops(
    tree: Tree, command: Command, pool: Pool
) -> None:
    cids = tree.fill(400)
    both = await asyncio.gather(command.import_(tree), command.import_(tree))
    # Whoever began last goes on; the other stops at its next chunk, or was done before.
    assert sorted(ended.status for ended in both) in ([0, 1], [0, 0])
    for ended in both:
        assert ended.status == 0 or "another process goes on" in ended.stderr
    rows = await pool.fetch("SELECT * FROM pinning.imports WHERE finished_at IS NOT NULL")
    assert sum(row["imported"] for row in rows) == 400
    assert await owned(pool, "pins") == binaries(cids)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("import", "/not/there", "--owner", OWNER), "/not/there: No such file or directory"),
        (("import", "/etc/hostname", "--owner", OWNER), "/etc/hostname: Not a directory"),
        (("import", "/tmp", "--owner", "me"), "camera:<site>/<camera> or token:<name>, got 'me'"),  # noqa: S108
        (("import", "/tmp"), "the following arguments are required: --owner"),  # noqa: S108
        (("imports", "x"), "'x' is no import's id"),
        (("imports", "00000000-0000-0000-0000-000000000000"), "there is no import 00000000"),
    ],
)
async def test_bad_input_is_one_sentence_that_names_it(
    command: Command, words: tuple[str, ...], sentence: str
) -> None:
    ended = await command(*words)
    assert ended.status in (1, 2)
    assert sentence in ended.stderr


async def test_an_empty_directory_is_a_disk_that_is_not_mounted(
    tree: Tree, command: Command, pool: Pool
) -> None:
    ended = await command.import_(tree)
    assert ended.status == 1
    assert "is empty: is its disk mounted?" in ended.stderr
    assert await pool.fetchval("SELECT count(*) FROM pinning.imports") == 0


async def test_a_hub_that_is_not_there_is_told_before_anything_is_begun(
    tree: Tree, command: Command, pool: Pool, unused_port: int
) -> None:
    tree.fill(1)
    command.environment["PINNING_KUBO_RPC_URL"] = f"http://127.0.0.1:{unused_port}"
    ended = await command.import_(tree)
    assert ended.status == 1
    assert "Cannot connect" in ended.stderr
    assert await pool.fetchval("SELECT count(*) FROM pinning.imports") == 0


async def test_cut_database_connections_are_waited_out(
    tree: Tree, command: Command, pool: Pool, hub: KuboRpc
) -> None:
    cids = tree.fill(600)

    async def has_begun() -> bool:
        return bool(await pool.fetchval("SELECT count(*) FROM pinning.imports"))

    async def cut() -> None:
        for _ in range(3):
            await eventually(has_begun)
            await asyncio.sleep(0.1)
            await pool.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'pinning' AND datname = current_database()"
            )

    ended, _ = await asyncio.gather(command.import_(tree), cut())
    assert (ended.status, ended.counts) == (0, (600, 0, 0)), ended.stderr
    assert await owned(pool, "pins") == binaries(cids)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_rate_and_what_is_left_follow_the_last_half_minute() -> None:
    clock = Clock()
    progress = Progress(Counts(), clock=clock)
    assert progress.left_s is None
    for second in range(1, 101):
        clock.now = float(second)
        # The first fifty seconds at ten files a second, then at a hundred.
        files = 10 if second <= 50 else 100
        place = f"{second * 65536 // 200:04x}"
        step = Step(f"{place[:2]}/{place[2:]}/{place}0000", Counts(files, 0, 0, files * 1000), ())
        progress.add(step)
    assert progress.files_per_s == pytest.approx(100, rel=0.05)
    assert progress.bytes_per_s == pytest.approx(100_000, rel=0.05)
    assert progress.share == pytest.approx(0.5, abs=0.001)
    assert progress.left_s == pytest.approx(100, rel=0.05)
    assert re.search(r"50\.0%\s+5,500 files .* 100/s .* left", progress.line())
    clock.now = 130.0  # nothing comes: the rate sinks
    assert progress.files_per_s < 60


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3_599, "60 min"), (11_100, "3 h 05 min")],
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
