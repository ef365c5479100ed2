"""The walk: every file once, in one order, from wherever it had come."""

import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinhole.contract.cid import Cid
from pinning.importing.chunks import BYTES, FILES, Chunks
from pinning.importing.files import Skip, Skipped
from pinning.importing.walking import Found, share_before, walk
from pinning.tree import Misnamed, cid_of, path_of
from tests.pinning.file_store import Tree


def paths(root: Path, after: str | None = None) -> list[str]:
    return [item.path for item in walk(root, after)]


@given(st.binary(min_size=32, max_size=32))
def test_path_and_cid_say_the_same(digest: bytes) -> None:
    cid = Cid(digest)
    assert cid_of(path_of(cid)) == cid


SHA = "0a1b" + "c" * 60


@pytest.mark.parametrize(
    "path",
    [
        f"{SHA}.jpg",
        f"0a/{SHA}.jpg",
        f"1b/0a/{SHA}.jpg",
        f"0a/1b/{SHA}.jpeg",
        f"0a/1b/{SHA}",
        f"0a/1b/{SHA}.jpg.part",
        f"0A/1B/{SHA.upper()}.jpg",
        f"0a/1b/{SHA[:-1]}.jpg",
        f"0a/1b/x/{SHA}.jpg",
        "",
    ],
)
def test_a_path_that_is_none_of_the_layout_is_refused(path: str) -> None:
    with pytest.raises(Misnamed):
        cid_of(path)


def test_every_file_is_found_once_and_in_the_order_of_the_names(tree: Tree) -> None:
    cids = tree.fill(200, 10)
    assert paths(tree.root) == sorted(map(path_of, cids))


def test_a_walk_from_any_place_yields_exactly_what_is_behind_it(tree: Tree) -> None:
    tree.fill(60, 10)
    tree.add(b"a", "readme.txt")
    tree.add(b"b", "lost+found/x")
    tree.add(b"c", "ab/notes.txt")
    tree.add(b"d", "ab/cd/ef/deep.jpg")
    whole = paths(tree.root)
    assert len(whole) == 64
    for number, place in enumerate(whole):
        assert paths(tree.root, place) == whole[number + 1 :]
    # Also from a place that is not there any more.
    assert paths(tree.root, f"{whole[30]}~") == whole[31:]


def test_a_directory_outside_the_layout_is_told_once_and_not_entered(tree: Tree) -> None:
    tree.add(b"x", "backup/2024/picture.jpg")
    tree.add(b"y", "ab/thumbs/picture.jpg")
    tree.add(b"z", "ab/cd/old/picture.jpg")
    found = list(walk(tree.root))
    assert [(item.path, getattr(item, "reason", None)) for item in found] == [
        ("ab/cd/old", Skip.MISNAMED),
        ("ab/thumbs", Skip.MISNAMED),
        ("backup", Skip.MISNAMED),
    ]


def test_links_are_followed_and_dangling_ones_are_told(tree: Tree, tmp_path: Path) -> None:
    elsewhere = Tree(tmp_path / "second-disk")
    elsewhere.add(b"x", "cd/picture")
    (tree.root / "ab").symlink_to(elsewhere.root)
    (tree.root / "cd").symlink_to(tmp_path / "nowhere")
    found = list(walk(tree.root))
    assert found[0] == Found("ab/cd/picture", 1)
    assert isinstance(found[1], Skipped)
    assert (found[1].path, found[1].reason) == ("cd", Skip.UNREADABLE)


def test_a_name_that_is_no_utf8_is_walked_over_as_any_other(tree: Tree) -> None:
    (tree.root / os.fsdecode(b"\xff\xfe.jpg")).write_bytes(b"x")
    tree.add(b"y", "zz.jpg")
    first, second = paths(tree.root)
    assert os.fsencode(second) == b"\xff\xfe.jpg" or os.fsencode(first) == b"\xff\xfe.jpg"
    assert paths(tree.root, first) == [second]


def test_chunks_are_bounded_in_files_and_in_bytes(tree: Tree) -> None:
    tree.fill(FILES + 5, 10)
    large = BYTES // 2 + 1
    for name in ("x0", "x1", "x2"):
        with (tree.root / name).open("wb") as file:
            file.truncate(large)
    chunks = Chunks(tree.root)
    taken = [[item.path for item in chunk] for chunk in iter(chunks.take, [])]
    assert [len(chunk) for chunk in taken] == [FILES, 6, 1, 1]
    assert [path for chunk in taken for path in chunk] == paths(tree.root)


def test_the_place_in_the_tree_says_how_much_is_behind(tree: Tree) -> None:
    whole = sorted(map(path_of, tree.fill(400, 10)))
    for number, path in enumerate(whole):
        # 400 hashes: the share is right within 3 standard deviations, 7.5 %.
        assert share_before(path) == pytest.approx(number / 400, abs=0.075)
    assert share_before("lost+found") is None


def test_a_walk_holds_no_more_of_a_large_tree_than_of_a_small_one(tmp_path: Path) -> None:
    def peak_bytes(root: Path) -> int:
        tracemalloc.start()
        try:
            chunks = Chunks(root)
            while chunks.take():
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def tree_of(directories: int) -> Path:
        root = tmp_path / str(directories)
        for number in range(directories):
            folder = root / f"{number:02x}" / "00"
            folder.mkdir(parents=True)
            for name in range(100):
                (folder / f"{name}.jpg").touch()
        return root

    small, large = peak_bytes(tree_of(8)), peak_bytes(tree_of(160))
    # Twenty times the files. The names of 152 more directories at the root are 40 KB.
    assert large < 1.6 * small
