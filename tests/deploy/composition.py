"""docker-compose.yml as Compose reads it: merged, with its variables' defaults filled in."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"

# ${NAME}, ${NAME-default}, ${NAME:-default}: the forms that the file uses.
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z0-9_]+)(?::?-(?P<default>[^}]*))?\}")

Node = dict[str, Any]


def read(variables: Mapping[str, str] | None = None) -> Node:
    """Return the file with `variables` filled in, their defaults elsewhere."""
    document: Node = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))
    filled: Node = _fill(document, variables or {})
    return filled


def variables() -> set[str]:
    """Return the names of every variable of the file."""
    return {match["name"] for match in _VARIABLE.finditer(COMPOSE_FILE.read_text(encoding="utf-8"))}


def services(compose: Node) -> Iterator[tuple[str, Node]]:
    """Yield every service with its name."""
    yield from compose["services"].items()


def secrets_of(service: Node) -> dict[str, str]:
    """Return a service's secrets: the source of each by the name of its file."""
    named = {}
    for secret in service.get("secrets", []):
        if isinstance(secret, str):
            named[secret] = secret
        else:
            named[secret.get("target", secret["source"])] = secret["source"]
    return named


def networks_of(service: Node) -> set[str]:
    """Return the names of a service's networks."""
    return set(service["networks"])


def _fill(node: Any, variables: Mapping[str, str]) -> Any:
    match node:
        case dict():
            return {key: _fill(value, variables) for key, value in node.items()}
        case list():
            return [_fill(value, variables) for value in node]
        case str():
            return _VARIABLE.sub(
                lambda found: variables.get(found["name"], found["default"] or ""), node
            )
        case _:
            return node
