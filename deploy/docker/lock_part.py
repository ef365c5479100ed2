"""Print a part of a hash lock, for the image's build.

PyTorch's own package indexes (`TORCH_INDEX_URL`: a CPU build, or one CUDA version) serve builds
whose hashes are not those of the lock. So everything else is installed from the lock with its
hashes, and `torch` and `torchvision` from that index in the lock's versions.

    python lock_part.py without-torch yolo.lock      the lock without torch and its GPU parts
    python lock_part.py torch yolo.lock              `torch==…` and `torchvision==…`, no hashes
    python lock_part.py only setuptools yolo.lock    one requirement with its hashes
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_TORCH: Final = frozenset({"torch", "torchvision"})
# nvidia-ml-py is ultralytics' own: a few kilobytes of Python that ask a driver, if there is one.
_GPU: Final = re.compile(r"triton|nvidia-(?!ml-py).*|cuda-.*")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def requirements(lock: str) -> Iterator[tuple[str, str]]:
    """Yield (normalised name, its lines with markers and hashes) of every requirement."""
    block: list[str] = []
    for line in lock.splitlines(keepends=True):
        starts = _NAME.match(line) is not None
        if starts and block:
            yield _name(block[0]), "".join(block)
            block = []
        if starts or block:
            block.append(line)
    if block:
        yield _name(block[0]), "".join(block)


def without_torch(lock: str) -> str:
    """Return `lock` without torch, torchvision and the packages that only a GPU needs."""
    return "".join(
        block
        for name, block in requirements(lock)
        if name not in _TORCH and not _GPU.fullmatch(name)
    )


def torch(lock: str) -> str:
    """Return torch and torchvision in the versions of `lock`, one a line, without hashes."""
    return "".join(
        re.split(r"[\s;\\]", block, maxsplit=1)[0] + "\n"
        for name, block in requirements(lock)
        if name in _TORCH
    )


def only(lock: str, wanted: str) -> str:
    """Return one requirement of `lock` with its hashes.

    Raises:
        KeyError: the lock has no such requirement.
    """
    return dict(requirements(lock))[wanted]


def _name(line: str) -> str:
    match = _NAME.match(line)
    return re.sub(r"[-_.]+", "-", match.group()).lower() if match else ""


def main(arguments: list[str]) -> None:
    """Print the part that the command line asks for."""
    lock = Path(arguments[-1]).read_text(encoding="utf-8")
    match arguments[:-1]:
        case ["without-torch"]:
            sys.stdout.write(without_torch(lock))
        case ["torch"]:
            sys.stdout.write(torch(lock))
        case ["only", wanted]:
            sys.stdout.write(only(lock, wanted))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
