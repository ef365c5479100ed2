"""The cameras of a stack, as given with `--source`."""

import itertools
import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pinhole.stack.failure import StackFailure

DEFAULT_SOURCES = ("synthetic:street", "synthetic:gate")
_NAME_LENGTH = 40
_EXAMPLES = "dir:PATH, file:VIDEO, rtsp://…, usb:0 or synthetic:street"


@dataclass(frozen=True)
class Source:
    """What one camera takes pictures from, and the camera's name (a DNS label)."""

    name: str
    text: str


def parse(texts: Sequence[str]) -> tuple[Source, ...]:
    """Return one camera per source, with names made from the sources, each different.

    Relative paths are made absolute: a camera runs in another directory. The rest of a source
    is the camera's to judge.

    Raises:
        StackFailure: A source is of no known kind, or its path does not exist. The sentence
            names the kind at most: the rest may hold a password.

    """
    sources: list[Source] = []
    for text in texts:
        checked = _checked(text.strip())
        name = _unique(_name_of(checked), {source.name for source in sources})
        sources.append(Source(name, checked))
    return tuple(sources)


def _checked(text: str) -> str:
    kind, _, rest = text.partition(":")
    match kind:
        case _ if not rest:
            raise StackFailure(f"--source {kind}: is incomplete; it is one of {_EXAMPLES}")
        case "dir" | "file":
            return f"{kind}:{_existing(kind, rest)}"
        case "rtsp" | "rtsps" | "synthetic" | "usb":
            return text
        case _:
            raise StackFailure(f"--source {kind}:… is of no known kind; it is one of {_EXAMPLES}")


def _existing(kind: str, name: str) -> Path:
    path = Path(name).expanduser().resolve()
    if kind == "dir" and not path.is_dir():
        raise StackFailure(f"--source dir:{name}: {path} is not a directory")
    if kind == "file" and not path.is_file():
        raise StackFailure(f"--source file:{name}: {path} is not a file")
    return path


def _name_of(source: str) -> str:
    kind, _, rest = source.partition(":")
    match kind:
        case "dir" | "file":
            words = Path(rest).stem
        case "usb":
            words = f"usb-{rest}"
        case "synthetic":
            words = rest
        case _:
            # The host alone: a path or a password in an address is nobody's business.
            words = urlsplit(source).hostname or kind
    label = re.sub(r"[^a-z0-9]+", "-", words.lower())[:_NAME_LENGTH].strip("-")
    return label or "camera"


def _unique(name: str, taken: AbstractSet[str]) -> str:
    candidates = itertools.chain((name,), (f"{name}-{number}" for number in itertools.count(2)))
    return next(candidate for candidate in candidates if candidate not in taken)
