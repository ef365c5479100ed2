"""Which files of a watched directory are pictures to take, and which never."""

import os
from pathlib import Path

import pytest

from camera_uploader.frame import Refusal, RefusalReason
from camera_uploader.settings import AfterTaking
from camera_uploader.sources.files import Folder, Unreadable
from tests.camera_uploader.pictures import encoded, jpeg, pixels
from tests.camera_uploader.watcher import Watcher
from tests.support.polling import WaitUntil

# watchdog says so of a directory made within a new directory while it is looked at; it is watched.
pytestmark = pytest.mark.filterwarnings("ignore:Callback with id:RuntimeWarning")


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


def test_png_and_webp_are_pictures_too(watched: Path, wait_until: WaitUntil) -> None:
    expected = {encoded(suffix, pixels(3)) for suffix in (".png", ".webp")}
    for number, data in enumerate(expected):
        (watched / f"{number}.{'png' if data[1:4] == b'PNG' else 'webp'}").write_bytes(data)
    with Watcher(watched).running() as watcher:
        wait_until(lambda: len(watcher.given) == 2)

    assert set(watcher.taken()) == expected
