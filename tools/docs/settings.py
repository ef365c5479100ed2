"""Write docs/settings.md from the services' settings, so that the two cannot differ.

python tools/docs/settings.py
"""

import enum
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import NoDecode

from camera_uploader.settings import CameraSettings
from dashboard_gateway.settings import DashboardSettings
from pinhole.runtime.settings import ProcessSettings
from pinning.settings import PinningSettings
from yolo_fetcher.settings import YoloSettings

FILE: Final = Path(__file__).parents[2] / "docs" / "settings.md"

# In the order of a frame's way.
SERVICES: Final[tuple[tuple[str, type[ProcessSettings]], ...]] = (
    ("camera_uploader", CameraSettings),
    ("dashboard_gateway", DashboardSettings),
    ("pinning", PinningSettings),
    ("yolo_fetcher", YoloSettings),
)

_UNITS: Final = {
    "_s": "seconds",
    "_ms": "milliseconds",
    "_bytes": "bytes",
    "_px": "pixels",
    "_pixels": "pixels",
    "_hours": "hours",
    "_days": "days",
    "fps": "frames a second",
}
_BOUNDS: Final = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
_TYPES: Final[dict[Any, str]] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    Path: "path",
    SecretStr: "secret",
}

HEAD: Final = """\
# Settings

Made by `tools/docs/settings.py` from the code; a test holds the two together.

Every service is configured by its environment alone. A variable that is empty counts as not set.
A setting may also be a file: with `PINHOLE_SECRETS_DIR=/run/secrets`, the file
`/run/secrets/pinning_kubo_rpc_token` is `PINNING_KUBO_RPC_TOKEN`; an environment variable wins over
the file. Secrets belong into files: an environment can be seen by others. A value that is missing
or out of bounds ends the start with one sentence that names the variable and never the value.
"""

# (variables, who reads them, what they are); a test looks for others in the sources.
BESIDE: Final = (
    ("PINHOLE_SECRETS_DIR", "every service", "directory of settings as files"),
    ("PINHOLE_HOME", "`pinhole`", "the stack's state; `.pinhole` in this directory or above it"),
    (
        "PINHOLE_POSTGRES_DSN",
        "`pinhole tokens`",
        "the database, where it is not the running stack's",
    ),
    (
        "PINHOLE_PAGE_TOKEN",
        "`pinhole up`",
        "a file in its secrets: the token by which it sees the first boxes on the page",
    ),
    (
        "PINHOLE_PASSWORD PINHOLE_NEW_PASSWORD",
        "`tools/screenshots.py`",
        "the password to log in with, and the next one where that is for one time",
    ),
    ("XDG_CACHE_HOME", "`pinhole up`", "where a Kubo that was built is kept; `~/.cache`"),
    (
        "TORCH_INDEX_URL",
        "`make up`, `make test`, `docker build`",
        "PyTorch's own index for torch",
    ),
)
IN_CONTAINERS: Final = (
    ("PINHOLE_HEALTH_PORT", "`deploy/docker/healthy.py`", "port of `/healthz` in this image"),
    (
        "PINHOLE_TOKENS_FILE",
        "`deploy/docker/prepare.py`",
        "where the detector's list of tokens is written",
    ),
    (
        "PINHOLE_CAMERA_GATEWAY_URL",
        "`deploy/docker/prepare.py`",
        "the gateway that the profile's camera is enrolled with",
    ),
    (
        "PINHOLE_KUBO_PROFILE",
        "`deploy/kubo/profile.sh`",
        "file of Kubo's settings, made by `deploy/kubo/render.py`",
    ),
    (
        "PINHOLE_KUBO_RPC_ADDRESS",
        "`deploy/kubo/profile.sh`",
        "IPv4 address on which Kubo's RPC listens beside 127.0.0.1",
    ),
    ("PINHOLE_KUBO_RPC_TOKEN_FILE", "`deploy/kubo/profile.sh`", "the RPC's bearer token"),
    (
        "PINHOLE_KUBO_PEERS",
        "`deploy/kubo/profile.sh`",
        "JSON for Kubo's `Peering.Peers`; may be left out",
    ),
)
_COMPOSE: Final = "`docker-compose.yml`"
COMPOSE: Final = (
    ("PINHOLE_PUBLISH PINHOLE_PUBLIC_URL", _COMPOSE, "where the page is, and its address"),
    ("PINHOLE_PUBLISH_GRAFANA", _COMPOSE, "where Grafana is"),
    ("PINHOLE_CAMERA_NETWORKS", _COMPOSE, "from where pinning may fetch"),
    ("PINHOLE_VERSION PINHOLE_LOG_LEVEL", _COMPOSE, "tag of the images; how much is logged"),
    (
        "PINHOLE_DASHBOARD_WORKERS PINHOLE_PINNING_WORKERS",
        _COMPOSE,
        "processes of these services",
    ),
    (
        "PINHOLE_YOLO_TARGET PINHOLE_YOLO_DEVICE PINHOLE_MODEL",
        _COMPOSE,
        "which detector, on what, with which model",
    ),
    (
        "PINHOLE_RPC_SUBNET PINHOLE_RPC_ADDRESS",
        _COMPOSE,
        "the network of the hub's RPC, and its address there",
    ),
    (
        "PINHOLE_CAMERA_SUBNET PINHOLE_CAMERA_ADDRESS",
        _COMPOSE,
        "the network towards cameras, and the profile's own camera in it",
    ),
    (
        "PINHOLE_EDGE_SUBNET PINHOLE_CAMERA_RPC_ADDRESS",
        _COMPOSE,
        "that camera with its Kubo, and the address of its RPC",
    ),
    (
        "PINHOLE_CAMERA_SITE PINHOLE_CAMERA_NAME PINHOLE_CAMERA_SOURCE PINHOLE_CAMERA_FPS",
        _COMPOSE,
        "the camera of the profile `camera`",
    ),
)
TABLES: Final = {
    "Beside the services": BESIDE,
    "In containers, set by the images and by `docker-compose.yml`": IN_CONTAINERS,
    "From `.env`; defaults in [operations.md](operations.md)": COMPOSE,
}


@dataclass(frozen=True)
class Setting:
    """One line of the document."""

    variable: str
    type: str
    unit: str
    bounds: str
    default: str
    description: str

    def line(self) -> str:
        """Return the table's row."""
        type_ = f"{self.type}, {self.unit}" if self.unit else self.type
        return " | ".join(
            ("", f"`{self.variable}`", type_, self.bounds, self.default, self.description, "")
        ).strip()


def settings_of(model: type[ProcessSettings]) -> Iterator[Setting]:
    """Yield every setting of a service in the order of its definition, its own first."""
    prefix = model.model_config.get("env_prefix", "")
    inherited = {
        name for base in model.__mro__[1:] for name in getattr(base, "__annotations__", ())
    }
    own = [name for name in model.model_fields if name in model.__annotations__]
    others = [name for name in model.model_fields if name in inherited and name not in own]
    for name in (*own, *others):
        field = model.model_fields[name]
        yield Setting(
            variable=f"{prefix}{name}".upper(),
            type=_type_of(field.annotation) + _list_format(field),
            unit=next((unit for end, unit in _UNITS.items() if name.endswith(end)), ""),
            bounds=_bounds_of(field),
            default=_default_of(field),
            description=" ".join((field.description or "").replace("|", "\\|").split()),
        )


def text() -> str:
    """Return the whole document."""
    parts = [HEAD]
    for title, rows in TABLES.items():
        parts.append(f"\n## {title}\n\n| variable | read by | what it is |\n|---|---|---|\n")
        for variables, reader, what in rows:
            names = ", ".join(f"`{name}`" for name in variables.split())
            parts.append(f"| {names} | {reader} | {what} |\n")
    for package, model in SERVICES:
        parts.append(f"\n## {package}\n\n{(model.__doc__ or '').splitlines()[0]}\n\n")
        parts.append("| variable | type | bounds | default | what it is |\n|---|---|---|---|---|\n")
        parts += [f"{setting.line()}\n" for setting in settings_of(model)]
    return "".join(parts)


def _type_of(annotation: Any) -> str:  # noqa: ANN401 - any annotation
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_of(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (types.UnionType, Any):
        return _type_of(next(part for part in arguments if part is not types.NoneType))
    if origin in (tuple, list, frozenset):
        return "list"
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return " or ".join(f"`{member.value}`" for member in annotation)
    return _TYPES.get(annotation, "text")


def _list_format(field: FieldInfo) -> str:
    if _type_of(field.annotation) != "list":
        return ""
    return " separated by commas" if NoDecode in field.metadata else " as JSON"


def _bounds_of(field: FieldInfo) -> str:
    bounds = []
    for rule in field.metadata:
        for name, sign in _BOUNDS.items():
            if (limit := getattr(rule, name, None)) is not None:
                bounds.append(f"{sign} {_number(limit)}")
        if pattern := getattr(rule, "pattern", None):
            escaped = pattern.replace("|", "\\|")
            bounds.append(f"`{escaped}`")
    return ", ".join(bounds)


def _number(value: float) -> str:
    # A port is not read with a separator, a number of bytes is.
    return f"{value:,}" if value >= 100_000 else f"{value}"  # noqa: PLR2004


def _default_of(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if default is PydanticUndefined:
        return "**required**"
    if default is None or default in ((), [], ""):
        return "not set"
    return _written(default)


def _written(default: object) -> str:
    match default:
        case enum.Enum(value=value):
            return f"`{value}`"
        case bool():
            return f"`{str(default).lower()}`"
        case int() | float():
            return _number(default)
        case tuple() | list():
            return f"`{','.join(str(part) for part in default)}`"
        case _:
            return f"`{default}`"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
