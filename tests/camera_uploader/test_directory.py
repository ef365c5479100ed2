"""A watched directory: what is taken, what not yet, what never, and what is remembered."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from camera_uploader.frame import FileShot, Mark, Refusal, RefusalReason, Shot
from camera_uploader.settings import AfterTaking, FileTime
from camera_uploader.sources.directory import DirectoryRules, DirectorySource
from camera_uploader.sources.files import Folder, Unreadable
from camera_uploader.sources.source import SourceLost
from camera_uploader.trial import NothingKnown
from pinhole.contract.cid import MAX_BLOCK_BYTES
from tests.camera_uploader.pictures import encoded, jpeg, pixels
from tests.support.polling import WaitUntil

# watchdog says so of a directory made within a new directory while it is looked at; it is watched.
pytestmark = pytest.mark.filterwarnings("ignore:Callback with id:RuntimeWarning")

_SETTLE_S = 0.15


class Memory(NothingKnown):
    """A memory as the spool's, for one source."""

    def __init__(self) -> None:
        self.taken: dict[bytes, str] = {}
        self.refusals: dict[bytes, str] = {}

    def taken_version(self, source: str, item: bytes) -> str | None:
        del source
        return self.taken.get(item)

    def refused_version(self, source: str, item: bytes) -> str | None:
        del source
        return self.refusals.get(item)

    def forget(self, mark: Mark) -> None:
        del self.taken[mark.item]


class Watcher:
    """Runs a source in a thread and keeps what it gives."""

    def __init__(self, folder: Path, memory: Memory | None = None, **rules: object) -> None:
        given = {
            "settle_s": _SETTLE_S,
            "incomplete_s": 0.4,
            "rescan_s": 0.1,
            "after": AfterTaking.KEEP,
            "time": FileTime.MODIFIED,
            "read_limit_bytes": MAX_BLOCK_BYTES,
            **rules,
        }
        self.memory = memory or Memory()
        self.source = DirectorySource(
            Folder(folder),
            self.memory,
            DirectoryRules(**given),  # type: ignore[arg-type]
            name="dir:x",
        )
        self.given: list[Shot | Refusal] = []
        self.failure: BaseException | None = None

    def taken(self) -> list[bytes]:
        return [shot.data for shot in self.given if isinstance(shot, FileShot)]

    def refused(self) -> list[RefusalReason]:
        return [shot.reason for shot in self.given if isinstance(shot, Refusal)]

    @contextmanager
    def running(self) -> Iterator["Watcher"]:
        stopping = threading.Event()
        thread = threading.Thread(target=self._follow, args=(stopping,))
        thread.start()
        try:
            yield self
        finally:
            stopping.set()
            thread.join(10)
            assert not thread.is_alive()

    def _follow(self, stopping: threading.Event) -> None:
        try:
            for shot in self.source.shots(stopping):
                if shot is not None:
                    self._keep(shot)
        except SourceLost as error:
            self.failure = error

    def _keep(self, shot: Shot | Refusal) -> None:
        self.given.append(shot)
        assert shot.mark is not None
        if isinstance(shot, Refusal):
            self.memory.refusals[shot.mark.item] = shot.mark.version
            self.source.refused(shot.mark)
        else:
            self.memory.taken[shot.mark.item] = shot.mark.version
            self.source.kept(shot.mark)


def _age(path: Path, seconds: float) -> None:
    then = datetime.now(UTC).timestamp() - seconds
    os.utime(path, (then, then))


def test_pictures_that_were_there_before_are_taken_oldest_first(
    watched: Path, wait_until: WaitUntil
) -> None:
    pictures = {f"{name}.jpg": jpeg(number) for number, name in enumerate("cab")}
    for age_s, (name, data) in zip((10, 30, 20), pictures.items(), strict=True):
        (watched / name).write_bytes(data)
        _age(watched / name, age_s)

    with Watcher(watched).running() as watcher:
        wait_until(lambda: len(watcher.given) == 3)

    assert watcher.taken() == [pictures["a.jpg"], pictures["b.jpg"], pictures["c.jpg"]]


def test_a_picture_renamed_into_place_is_taken(watched: Path, wait_until: WaitUntil) -> None:
    with Watcher(watched, rescan_s=60.0).running() as watcher:
        (watched / "a.jpg.part").write_bytes(jpeg(1))
        (watched / "a.jpg.part").rename(watched / "a.jpg")
        wait_until(lambda: watcher.given)

    assert watcher.taken() == [jpeg(1)]


def test_a_picture_that_was_closed_is_taken_without_waiting_for_it_to_settle(
    watched: Path, wait_until: WaitUntil
) -> None:
    with Watcher(watched, settle_s=60.0, incomplete_s=60.0).running() as watcher:
        wait_until(lambda: watcher.source._next_scan_s)
        (watched / "a.jpg").write_bytes(jpeg(1))
        wait_until(lambda: watcher.given)

    assert watcher.taken() == [jpeg(1)]


def test_a_half_written_picture_is_not_taken_and_the_whole_one_is(
    watched: Path, wait_until: WaitUntil
) -> None:
    whole = jpeg(1, 640, 480)
    with (
        Watcher(watched, incomplete_s=60.0).running() as watcher,
        (watched / "a.jpg").open("wb", buffering=0) as file,
    ):
        file.write(whole[: len(whole) // 2])
        # The source has looked at it after the time to settle, and left it.
        wait_until(lambda: any(c.doubtful for c in list(watcher.source._candidates.values())))
        assert watcher.given == []

        file.write(whole[len(whole) // 2 :])
        wait_until(lambda: watcher.given)

    assert watcher.taken() == [whole]


def test_a_picture_written_in_pieces_that_are_each_closed_is_taken_when_it_is_whole(
    watched: Path, wait_until: WaitUntil
) -> None:
    whole = jpeg(1, 640, 480)
    step = len(whole) // 5
    with Watcher(watched, incomplete_s=60.0).running() as watcher:
        for start in range(0, len(whole), step):
            with (watched / "a.jpg").open("ab") as file:
                file.write(whole[start : start + step])
        wait_until(lambda: watcher.given)

    assert watcher.taken() == [whole]


def test_a_picture_that_stays_without_its_end_is_given_to_be_refused_and_taken_when_completed(
    watched: Path, wait_until: WaitUntil
) -> None:
    whole = jpeg(1, 640, 480)
    (watched / "a.jpg").write_bytes(whole[:-100])
    with Watcher(watched).running() as watcher:
        wait_until(lambda: watcher.given)
        assert watcher.taken() == [whole[:-100]]  # the developer refuses it: INCOMPLETE

        (watched / "a.jpg").write_bytes(whole)
        wait_until(lambda: len(watcher.given) == 2)

    assert watcher.taken()[1] == whole


def test_a_file_that_is_too_large_is_refused_without_being_read(
    watched: Path, wait_until: WaitUntil
) -> None:
    with (watched / "huge.jpg").open("wb") as file:
        file.truncate(10_000_000_000)  # sparse
    with Watcher(watched).running() as watcher:
        wait_until(lambda: watcher.given)

    (refusal,) = watcher.given
    assert isinstance(refusal, Refusal)
    assert refusal.reason is RefusalReason.TOO_LARGE
    assert "10000000000 bytes" in refusal.details
    assert (watched / "huge.jpg").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_refused_once_and_taken_when_it_may(
    watched: Path, wait_until: WaitUntil
) -> None:
    (watched / "a.jpg").write_bytes(jpeg(1))
    (watched / "a.jpg").chmod(0)
    with Watcher(watched).running() as watcher:
        wait_until(lambda: watcher.given)
        (watched / "a.jpg").chmod(0o600)
        wait_until(lambda: len(watcher.given) == 2)

    assert watcher.refused() == [RefusalReason.UNREADABLE]
    assert watcher.taken() == [jpeg(1)]


@pytest.mark.parametrize(
    "name",
    [
        *(b"caf\xe9 \xff\xfe.jpg", b"new\nline.jpg", b"-rf.jpg", b"$(reboot).jpg"),
        *(b"a b;c'd\"e.JPEG", b"\xe2\x80\xaegpj.exe.jpg", b"x" * 251 + b".jpg"),
    ],
)
def test_hostile_names_are_only_names(watched: Path, name: bytes, wait_until: WaitUntil) -> None:
    path = os.path.join(os.fsencode(watched), name)  # noqa: PTH118 - no text holds this name
    with Watcher(watched, after=AfterTaking.MOVE).running() as watcher:
        Path(os.fsdecode(path)).write_bytes(jpeg(1))
        wait_until(lambda: watcher.given)
        moved = os.path.join(os.fsencode(watched), b"taken", name)  # noqa: PTH118
        wait_until(lambda: os.path.lexists(moved))

    assert watcher.taken() == [jpeg(1)]


def test_links_pipes_directories_hidden_and_other_files_are_left_alone(
    watched: Path, tmp_path: Path, wait_until: WaitUntil
) -> None:
    secret = tmp_path / "elsewhere.jpg"
    secret.write_bytes(jpeg(9))
    (watched / "link.jpg").symlink_to(secret)
    os.mkfifo(watched / "pipe.jpg")
    (watched / "folder.jpg").mkdir()
    (watched / ".hidden.jpg").write_bytes(jpeg(8))
    (watched / "notes.txt").write_text("no picture")
    (watched / "real.jpg").write_bytes(jpeg(1))

    with Watcher(watched).running() as watcher:
        wait_until(lambda: watcher.given)
        scanned = watcher.source._next_scan_s
        wait_until(lambda: watcher.source._next_scan_s > scanned)

    assert watcher.taken() == [jpeg(1)]


def test_pictures_in_sub_directories_are_taken_also_in_new_ones(
    watched: Path, wait_until: WaitUntil
) -> None:
    with Watcher(watched, rescan_s=60.0).running() as watcher:
        wait_until(lambda: watcher.source._next_scan_s)
        (watched / "2026" / "05").mkdir(parents=True)
        (watched / "2026" / "05" / "a.jpg").write_bytes(jpeg(1))
        wait_until(lambda: watcher.given)

    (shot,) = watcher.given
    assert shot.mark is not None
    assert shot.mark.item == b"2026/05/a.jpg"


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


def test_a_link_put_in_a_files_place_is_not_followed(watched: Path, tmp_path: Path) -> None:
    path, folder = watched / "a.jpg", Folder(watched)
    path.write_bytes(jpeg(1))
    seen = folder.look(b"a.jpg")
    assert seen is not None
    (tmp_path / "elsewhere.jpg").write_bytes(jpeg(1))
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere.jpg")

    with pytest.raises(Unreadable):
        folder.read(seen)


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


def test_capture_time_is_the_files_and_never_in_the_future(
    watched: Path, wait_until: WaitUntil
) -> None:
    for name, age_s in (("past.jpg", 3600), ("future.jpg", -3600)):
        (watched / name).write_bytes(jpeg(age_s & 7))
        _age(watched / name, age_s)
    now = datetime.now(UTC)
    with Watcher(watched).running() as watcher:
        wait_until(lambda: len(watcher.given) == 2)

    past, future = (shot.captured_at for shot in watcher.given if isinstance(shot, FileShot))
    assert abs(past - (now - timedelta(hours=1))) < timedelta(seconds=5)
    assert abs(future - now) < timedelta(seconds=60)


def test_where_set_capture_time_is_the_instant_of_reading(
    watched: Path, wait_until: WaitUntil
) -> None:
    (watched / "a.jpg").write_bytes(jpeg(1))
    _age(watched / "a.jpg", 3600)
    before = datetime.now(UTC)
    with Watcher(watched, time=FileTime.TAKEN).running() as watcher:
        wait_until(lambda: watcher.given)

    (shot,) = watcher.given
    assert isinstance(shot, FileShot)
    assert shot.captured_at >= before


def test_a_directory_that_is_not_there_is_a_lost_source(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    with Watcher(tmp_path / "absent").running() as watcher:
        failure = wait_until(lambda: watcher.failure)

    assert isinstance(failure, SourceLost)


def test_png_and_webp_are_pictures_too(watched: Path, wait_until: WaitUntil) -> None:
    expected = {encoded(suffix, pixels(3)) for suffix in (".png", ".webp")}
    for number, data in enumerate(expected):
        (watched / f"{number}.{'png' if data[1:4] == b'PNG' else 'webp'}").write_bytes(data)
    with Watcher(watched).running() as watcher:
        wait_until(lambda: len(watcher.given) == 2)

    assert set(watcher.taken()) == expected


def test_a_full_scan_finds_what_the_kernel_does_not_tell(
    watched: Path, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "camera_uploader.sources.watching.Watch.dispatch", lambda *_: None
    )  # as on NFS
    with Watcher(watched).running() as watcher:
        (watched / "a.jpg").write_bytes(jpeg(1))
        wait_until(lambda: watcher.given)

    assert watcher.taken() == [jpeg(1)]
