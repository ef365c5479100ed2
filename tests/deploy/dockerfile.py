"""The Dockerfile's stages, what each is made from and the environment that it gives."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.deploy.composition import ROOT

DOCKERFILE = ROOT / "Dockerfile"


@dataclass
class Stage:
    """One `FROM … AS name` with the instructions that follow it."""

    name: str
    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, word: str) -> list[str]:
        """Return the arguments of every `word` instruction of this stage."""
        return [arguments for instruction, arguments in self.instructions if instruction == word]


def arguments() -> dict[str, str]:
    """Return every build argument's default."""
    named = [text.partition("=") for word, text in _instructions() if word == "ARG"]
    return {name: value for name, _, value in named}


def stages() -> dict[str, Stage]:
    """Return the stages by name, in order."""
    found: dict[str, Stage] = {}
    current: Stage | None = None
    for word, text in _instructions():
        if word == "FROM":
            base, _, name = text.partition(" AS ")
            current = found[name] = Stage(name, base)
        elif current is not None:
            current.instructions.append((word, text))
    return found


def environment(target: str) -> dict[str, str]:
    """Return what a container of `target` has in its environment."""
    stage = stages()[target]
    inherited = environment(stage.base) if stage.base in stages() else {}
    for text in stage.all("ENV"):
        inherited.update(pair.split("=", 1) for pair in shlex.split(text))  # type: ignore[misc]
    return inherited


def last(target: str, word: str) -> str | None:
    """Return the arguments of the `word` instruction in force in `target`."""
    stage = stages()[target]
    own = stage.all(word)
    if own:
        return own[-1]
    return last(stage.base, word) if stage.base in stages() else None


def _instructions() -> Iterator[tuple[str, str]]:
    lines = DOCKERFILE.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word:
            yield word, rest.strip()
