"""Whose bytes they are: `camera:<site>/<camera>` or `token:<name>`.

A camera's name is unique within its site only, so its owner names both.
"""

from dataclasses import dataclass
from typing import Final

from pinhole.contract.errors import Unprocessable
from pinhole.contract.ids import is_name

OWNER_HEADER: Final = "Pinhole-Owner"
"""Names the owner that a service acts for; without it the caller's token is the owner."""

_CAMERA: Final = "camera:"
_CLIENT: Final = "token:"
_MAX_TOKEN_NAME_LENGTH: Final = 100


class InvalidOwner(Unprocessable):
    """The text names no owner."""

    reason = "INVALID_OWNER"


@dataclass(frozen=True)
class Owner:
    """An owner by its text; make it with the functions of this class, which check it."""

    text: str

    @classmethod
    def camera(cls, site: str, camera: str) -> "Owner":
        """Return the owner of what a camera captured."""
        return cls.parse(f"{_CAMERA}{site}/{camera}")

    @classmethod
    def token(cls, name: str) -> "Owner":
        """Return the owner of what a bearer token created."""
        return cls.parse(f"{_CLIENT}{name}")

    @classmethod
    def parse(cls, text: str) -> "Owner":
        """Return the owner that `text` spells.

        Raises:
            InvalidOwner: it is neither `camera:<site>/<camera>` nor `token:<name>`.
        """
        site, slash, camera = text.removeprefix(_CAMERA).partition("/")
        if text.startswith(_CAMERA) and slash and is_name(site) and is_name(camera):
            return cls(text)
        name = text.removeprefix(_CLIENT)
        if text.startswith(_CLIENT) and 0 < len(name) <= _MAX_TOKEN_NAME_LENGTH:
            return cls(text)
        raise InvalidOwner(f"an owner is camera:<site>/<camera> or token:<name>, got {text[:80]!r}")

    @property
    def as_camera(self) -> tuple[str, str] | None:
        """(site, camera) where the owner is a camera."""
        if not self.text.startswith(_CAMERA):
            return None
        site, _, camera = self.text.removeprefix(_CAMERA).partition("/")
        return site, camera

    def __str__(self) -> str:
        return self.text
