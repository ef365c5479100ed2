"""What `--source` accepts, and the names that cameras get from it."""

from pathlib import Path

import pytest

from pinhole.contract.ids import is_name
from pinhole.stack.failure import StackFailure
from pinhole.stack.sources import DEFAULT_SOURCES, parse


def names_of(*texts: str) -> list[str]:
    return [source.name for source in parse(texts)]


def test_the_default_is_a_street_and_a_gate() -> None:
    assert names_of(*DEFAULT_SOURCES) == ["street", "gate"]


def test_cameras_with_the_same_source_get_different_names() -> None:
    assert names_of(*["synthetic:street"] * 3) == ["street", "street-2", "street-3"]


def test_an_address_gives_its_host_and_never_its_password() -> None:
    assert names_of("rtsp://user:secret@cam-7.example:554/live") == ["cam-7-example"]


def test_names_are_names_whatever_the_file_is_called(tmp_path: Path) -> None:
    for odd in ("Vidéo du 3 mai.mp4", "…", "-x-.avi", "a" * 90):
        (tmp_path / odd).touch()
        (name,) = names_of(f"file:{tmp_path / odd}")
        assert is_name(name)


def test_a_relative_directory_becomes_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    (source,) = parse(["dir:photos"])
    assert source.text == f"dir:{tmp_path / 'photos'}"
    assert source.name == "photos"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("webcam", r"--source webcam: is incomplete; it is one of dir:PATH"),
        ("http://me:secret@host/x", r"--source http:… is of no known kind"),
        ("dir:/nowhere/at/all", r"/nowhere/at/all is not a directory"),
        ("file:/", r"/ is not a file"),
    ],
)
def test_a_source_that_cannot_be_used_says_why(text: str, sentence: str) -> None:
    with pytest.raises(StackFailure, match=sentence) as caught:
        parse([text])
    assert "secret" not in caught.value.details
