"""Secrets, made at the first start and kept in files that only their owner may read."""

import os
from collections.abc import Callable
from pathlib import Path


def kept(path: Path, make: Callable[[], str]) -> str:
    """Return the secret in `path`; where there is none, make one and keep it.

    The file appears whole or not at all, with mode 0600 in a directory of mode 0700.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        secret = make()
        write(path, secret)
        return secret


def read(path: Path) -> str | None:
    """Return the secret in `path`, or None where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def write(path: Path, secret: str) -> None:
    """Replace the secret in `path`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(secret)
    fresh.replace(path)
