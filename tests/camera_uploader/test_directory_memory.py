"""What a watched directory remembers, and where files go that were taken."""

from pathlib import Path

import pytest

from camera_uploader.settings import AfterTaking
from camera_uploader.sources.files import Folder
from tests.camera_uploader.pictures import jpeg
from tests.camera_uploader.watcher import Memory, Watcher
from tests.support.polling import WaitUntil

# watchdog says so of a directory made within a new directory while it is looked at; it is watched.
pytestmark = pytest.mark.filterwarnings("ignore:Callback with id:RuntimeWarning")


def test_what_was_taken_is_not_taken_again_by_the_next_start(
    watched: Path, wait_until: WaitUntil
) -> None:
    (watched / "a.jpg").write_bytes(jpeg(1))
    memory = Memory()
    with Watcher(watched, memory).running() as first:
        wait_until(lambda: first.given)

    (watched / "b.jpg").write_bytes(jpeg(2))
    with Watcher(watched, memory).running() as second:
        wait_until(lambda: second.given)
        scanned = second.source._next_scan_s
        wait_until(lambda: second.source._next_scan_s > scanned)

    assert second.taken() == [jpeg(2)]


def test_a_file_that_is_written_anew_is_taken_anew(watched: Path, wait_until: WaitUntil) -> None:
    with Watcher(watched).running() as watcher:
        for number in range(3):
            (watched / "snapshot.jpg").write_bytes(jpeg(number))
            wait_until(lambda count=number + 1: len(watcher.given) == count)  # type: ignore[misc]

    assert watcher.taken() == [jpeg(number) for number in range(3)]


def test_what_waits_for_the_node_is_not_given_twice(watched: Path, wait_until: WaitUntil) -> None:
    (watched / "a.jpg").write_bytes(jpeg(1))
    watcher = Watcher(watched)
    watcher._keep = watcher.given.append  # type: ignore[method-assign, assignment]
    with watcher.running():
        wait_until(lambda: watcher.given)
        for _ in range(3):
            scanned = watcher.source._next_scan_s
            wait_until(lambda before=scanned: watcher.source._next_scan_s > before)  # type: ignore[misc]

    assert len(watcher.given) == 1


def test_where_set_files_are_moved_and_never_overwritten(
    watched: Path, wait_until: WaitUntil
) -> None:
    (watched / "taken").mkdir()
    (watched / "taken" / "a.jpg").write_bytes(b"an earlier picture of that name")
    (watched / "a.jpg").write_bytes(jpeg(1))
    with (watched / "big.jpg").open("wb") as file:
        file.truncate(3_000_000)

    with Watcher(watched, after=AfterTaking.MOVE).running() as watcher:
        wait_until(lambda: len(watcher.given) == 2)
        wait_until(lambda: sorted(p.name for p in watched.iterdir()) == ["refused", "taken"])

    assert (watched / "taken" / "a.jpg").read_bytes() == b"an earlier picture of that name"
    assert (watched / "taken" / "a.1.jpg").read_bytes() == jpeg(1)
    assert (watched / "refused" / "big.jpg").stat().st_size == 3_000_000
    assert watcher.memory.taken == {}


def test_a_file_taken_but_not_moved_before_a_crash_is_moved_and_not_taken(
    watched: Path, wait_until: WaitUntil
) -> None:
    path = watched / "a.jpg"
    path.write_bytes(jpeg(1))
    memory = Memory()
    memory.taken[b"a.jpg"] = f"{path.stat().st_size}:{path.stat().st_mtime_ns}"

    with Watcher(watched, memory, after=AfterTaking.MOVE).running() as watcher:
        wait_until((watched / "taken" / "a.jpg").exists)

    assert watcher.given == []
    assert memory.taken == {}


def test_a_file_replaced_while_it_was_stored_is_not_moved_away(watched: Path) -> None:
    path = watched / "a.jpg"
    path.write_bytes(jpeg(1))
    folder = Folder(watched)
    seen = folder.look(b"a.jpg")
    assert seen is not None
    path.write_bytes(jpeg(2, 128, 96))

    assert not folder.move(b"a.jpg", seen.version, b"taken")
    assert path.read_bytes() == jpeg(2, 128, 96)
