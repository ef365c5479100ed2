"""Kubo is found where it is, made where it is not, and never made twice at once."""

import hashlib
import io
import re
import tarfile
import threading
from pathlib import Path

import pytest

from pinhole.stack import kubo_binary, kubo_build, kubo_release
from pinhole.stack.failure import StackFailure
from pinhole.stack.kubo_binary import find_binary, obtain_binary
from pinhole.stack.progress import Report


def program(path: Path, version: str) -> Path:
    """Write a program that answers `ipfs version --number`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)
    return path


def making(version: str) -> kubo_binary.Maker:
    def make(target: Path, report: Report) -> None:
        report("making")
        program(target, version)

    return make


def unable(target: Path, report: Report) -> None:
    del target, report
    raise StackFailure("there is no Go on PATH")


def silent(line: str) -> None:
    del line


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point PATH and the user's cache at empty directories."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return kubo_binary.cache_dir()


def test_one_of_a_supported_version_on_path_is_taken(tmp_path: Path) -> None:
    installed = program(tmp_path / "bin" / "ipfs", "0.43.2")
    assert find_binary() == installed


@pytest.mark.parametrize("version", ["0.42.0", "0.44.0", "garbage"])
def test_one_of_another_version_on_path_is_passed_over(tmp_path: Path, version: str) -> None:
    program(tmp_path / "bin" / "ipfs", version)
    assert find_binary() is None


def test_what_was_made_is_kept_and_found_again(empty_cache: Path) -> None:
    lines: list[str] = []
    made = obtain_binary(lines.append, (making("0.43.0"),))
    assert made == empty_cache / "ipfs"
    assert obtain_binary(lines.append, (unable,)) == made
    assert lines.count("making") == 1


def test_the_next_way_is_tried_where_one_fails() -> None:
    lines: list[str] = []
    obtain_binary(lines.append, (unable, making("0.43.0")))
    assert lines[:2] == ["kubo: there is no Go on PATH", "making"]


def test_something_of_another_version_is_not_kept(empty_cache: Path) -> None:
    with pytest.raises(StackFailure, match=r"calls itself version '0\.1\.0'"):
        obtain_binary(silent, (making("0.1.0"),))
    assert not (empty_cache / "ipfs").exists()


def test_where_no_way_works_each_says_why() -> None:
    with pytest.raises(StackFailure, match=r"(?s)could not be obtained.*- there is no Go on PATH"):
        obtain_binary(silent, (unable,))


def test_two_at_once_make_it_once() -> None:
    begun, go_on = threading.Event(), threading.Event()
    lines: list[str] = []

    def slowly(target: Path, report: Report) -> None:
        begun.set()
        go_on.wait(5)
        making("0.43.0")(target, report)

    def waiting(line: str) -> None:
        lines.append(line)
        go_on.set()  # the first goes on once the second says that it waits

    first = threading.Thread(target=obtain_binary, args=(silent, (slowly,)))
    first.start()
    assert begun.wait(5)
    obtain_binary(waiting, (unable,))
    first.join()
    assert lines == ["kubo: waiting for another process that is getting it"]


def test_the_module_that_is_built_is_of_the_version_that_is_wanted() -> None:
    module = (kubo_build.SOURCE / "go.mod").read_text()
    assert f"github.com/ipfs/kubo v{kubo_release.KUBO_VERSION}\n" in module
    needed = re.search(r"^go (\S+)$", module, re.MULTILINE)
    assert needed is not None
    assert tuple(int(part) for part in needed[1].split(".")) == kubo_build.GO_NEEDED


@pytest.mark.parametrize(
    ("version", "toolchain"), [((1, 26, 5), "local"), ((1, 27), "local"), ((1, 21), "auto")]
)
def test_a_go_that_can_build_it_is_told_how(version: tuple[int, ...], toolchain: str) -> None:
    assert kubo_build.environment_for(version) == {"GOTOOLCHAIN": toolchain}


def test_the_go_of_debian_12_is_too_old() -> None:
    with pytest.raises(StackFailure, match=r"the Go on PATH is 1\.19\.8; .* needs 1\.26\.5"):
        kubo_build.environment_for((1, 19, 8))


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.27rc1 linux/arm64", (1, 27)),
    ],
)
def test_gos_version_is_read(tmp_path: Path, said: str, version: tuple[int, ...]) -> None:
    go = program(tmp_path / "bin" / "go", said)
    assert kubo_build.go_version(str(go)) == version


def archive_of(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def test_a_release_with_the_published_digest_is_unpacked() -> None:
    archive = archive_of({"kubo/LICENSE": b"text", "kubo/ipfs": b"program"})
    published = f"{hashlib.sha512(archive).hexdigest()}  kubo_v0.43.0_linux-amd64.tar.gz\n"
    assert kubo_release.extract(archive, published) == b"program"


@pytest.mark.parametrize("published", ["", "00ff  kubo.tar.gz"])
def test_a_release_with_another_digest_is_not_used(published: str) -> None:
    with pytest.raises(StackFailure, match="it was not used"):
        kubo_release.extract(archive_of({"kubo/ipfs": b"program"}), published)


def test_a_release_without_the_program_says_so() -> None:
    archive = archive_of({"kubo/README.md": b"text"})
    with pytest.raises(StackFailure, match="no kubo/ipfs"):
        kubo_release.extract(archive, hashlib.sha512(archive).hexdigest())


def test_the_release_is_chosen_by_the_machine() -> None:
    assert kubo_release.archive_name("Linux", "x86_64") == "kubo_v0.43.0_linux-amd64.tar.gz"
    assert kubo_release.archive_name("Linux", "aarch64") == "kubo_v0.43.0_linux-arm64.tar.gz"
    with pytest.raises(StackFailure, match="no release of Kubo for Linux on riscv64"):
        kubo_release.archive_name("Linux", "riscv64")
