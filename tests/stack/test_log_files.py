"""The parts' logs, read together."""

from pathlib import Path

import pytest

from pinhole.stack import log_files
from pinhole.stack.failure import StackFailure
from pinhole.stack.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Give a home with the logs of two parts."""
    layout = Layout(tmp_path)
    layout.log("yolo").parent.mkdir()
    layout.log("yolo").write_text("".join(f"line {number}\n" for number in range(100)))
    layout.log("pinning").write_bytes(b"caf\xe9\n")
    return layout


def test_the_last_lines_carry_their_parts_name(layout: Layout) -> None:
    chosen = log_files.chosen(layout, ["yolo"])
    assert [line.split() for line in log_files.last_lines(chosen, 2)] == [
        ["yolo", "line", "98"],
        ["yolo", "line", "99"],
    ]


def test_without_names_every_log_is_shown_whatever_bytes_it_holds(layout: Layout) -> None:
    lines = list(log_files.last_lines(log_files.chosen(layout, []), 1))
    assert [line.split()[0] for line in lines] == ["pinning", "yolo"]
    assert "caf\N{REPLACEMENT CHARACTER}" in lines[0]


def test_an_unknown_part_is_refused_with_those_there_are(layout: Layout) -> None:
    with pytest.raises(StackFailure, match="no log of yollo; there are pinning, yolo"):
        log_files.chosen(layout, ["yollo"])


def test_following_gives_what_is_added_line_by_line(layout: Layout) -> None:
    lines = log_files.following(log_files.chosen(layout, []))
    with layout.log("yolo").open("a") as log:
        log.write("one\ntwo\nhalf a li")
    assert [next(lines).split()[1] for _ in range(2)] == ["one", "two"]
    with layout.log("yolo").open("a") as log:
        log.write("ne\n")
    assert next(lines).split(maxsplit=1)[1] == "half a line\n"
