"""The settings every service has; each service's own module adds its fields.

Settings come from the environment (one prefix per service) or from files: with
`PINHOLE_SECRETS_DIR=/run/secrets`, the file `/run/secrets/pinning_kubo_rpc_token` is
`PINNING_KUBO_RPC_TOKEN`. Source: pydantic-settings, "secrets".
"""

import os
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from pinhole.contract.errors import PinholeError

LogLevel = Literal["debug", "info", "warning", "error"]


class BadSettings(PinholeError):
    """A setting is missing or out of bounds; the sentence names its environment variable."""

    reason = "BAD_SETTINGS"


def service_config(prefix: str) -> SettingsConfigDict:
    """Return the model configuration of a service whose variables start with `prefix`."""
    return SettingsConfigDict(
        env_prefix=prefix,
        frozen=True,
        extra="ignore",
        # An empty variable in a compose file means "not set".
        env_ignore_empty=True,
        secrets_dir=os.environ.get("PINHOLE_SECRETS_DIR") or None,
    )


class ProcessSettings(BaseSettings):
    """What any process has."""

    log_level: LogLevel = Field(default="info", description="Least severe log record written.")

    @classmethod
    def load(cls, **overrides: Any) -> Self:  # noqa: ANN401 - fields of any type
        """Return the settings of this process.

        Raises:
            BadSettings: a value is missing or wrong; it names the variable, never the value.
        """
        try:
            return cls(**overrides)
        except ValidationError as error:
            raise BadSettings(_sentence(error, cls.model_config.get("env_prefix", ""))) from error


class ServiceSettings(ProcessSettings):
    """What a service with an HTTP port has."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")
    workers: int = Field(
        default=1, ge=1, le=64, description="Processes that share the port (SO_REUSEPORT)."
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        min_length=20,
        description="Bearer token for /metrics and for the parts in /healthz. Unset: this machine"
        " itself may look, and nobody else.",
    )
    shutdown_timeout_s: float = Field(
        default=10, gt=0, le=300, description="Seconds that requests may take to end on SIGTERM."
    )


def read_secret_file(path: Path) -> str:
    """Return the text of a secret's file without its last newline."""
    return path.read_text(encoding="utf-8").strip()


def _sentence(error: ValidationError, prefix: str) -> str:
    problems = []
    for problem in error.errors(include_url=False, include_input=False):
        name = prefix + "_".join(str(step) for step in problem["loc"]).upper()
        problems.append(f"{name}: {problem['msg'][0].lower()}{problem['msg'][1:]}")
    return "; ".join(problems)
