"""A watched directory: when a picture is taken, and when it was made."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from camera_uploader.frame import FileShot
from camera_uploader.settings import FileTime
from camera_uploader.sources.source import SourceLost
from tests.camera_uploader.pictures import jpeg
from tests.camera_uploader.watcher import Watcher, set_age
from tests.support.polling import WaitUntil

# watchdog says so of a directory made within a new directory while it is looked at; it is watched.
pytestmark = pytest.mark.filterwarnings("ignore:Callback with id:RuntimeWarning")


def test_pictures_that_were_there_before_are_taken_oldest_first(
    watched: Path, wait_until: WaitUntil
) -> None:
    pictures = {f"{name}.jpg": jpeg(number) for number, name in enumerate("cab")}
    for age_s, (name, data) in zip((10, 30, 20), pictures.items(), strict=True):
        (watched / name).write_bytes(data)
        set_age(watched / name, age_s)

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


def test_capture_time_is_the_files_and_never_in_the_future(
    watched: Path, wait_until: WaitUntil
) -> None:
    for name, age_s in (("past.jpg", 3600), ("future.jpg", -3600)):
        (watched / name).write_bytes(jpeg(age_s & 7))
        set_age(watched / name, age_s)
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
    set_age(watched / "a.jpg", 3600)
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
