"""`CAMERA_SOURCE`: one line of text that names a source."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit


class Kind(StrEnum):
    """The kinds of source; the word before the first colon."""

    SYNTHETIC = "synthetic"
    DIRECTORY = "dir"
    FILE = "file"
    RTSP = "rtsp"
    RTSPS = "rtsps"
    USB = "usb"


SCENES = ("street", "gate")
_EXAMPLES = "synthetic:street?seed=1, dir:PATH, file:VIDEO, rtsp://HOST/PATH or usb:0"


@dataclass(frozen=True)
class SourceSpec:
    """A source as it was asked for.

    `str()` and `repr()` leave credentials out: it can be logged, shown and sent as it is.
    """

    kind: Kind
    address: str = field(repr=False)
    """What the kind needs: a path, a URL (with credentials), a device number, a scene."""
    seed: int = 0

    @classmethod
    def parse(cls, text: str) -> "SourceSpec":
        """Return the source that `text` names.

        Raises:
            ValueError: it names none. The message never repeats the text: it may hold a password.
        """
        scheme, colon, rest = text.strip().partition(":")
        try:
            kind = Kind(scheme.lower())
        except ValueError:
            raise ValueError(f"a source is one of {_EXAMPLES}") from None
        if not colon or not rest:
            raise ValueError(f"nothing follows {kind}: in the source; try {_EXAMPLES}")
        match kind:
            case Kind.SYNTHETIC:
                return cls._synthetic(rest)
            case Kind.RTSP | Kind.RTSPS:
                return cls._rtsp(kind, f"{kind}:{rest}")
            case Kind.USB if not (rest.isascii() and rest.isdigit()):
                raise ValueError("a usb source is named by its number, like usb:0")
            case _:
                return cls(kind, rest)

    @classmethod
    def _synthetic(cls, rest: str) -> "SourceSpec":
        scene, _, query = rest.partition("?")
        options = dict(parse_qsl(query, keep_blank_values=True))
        seed = options.pop("seed", "0")
        if scene not in SCENES:
            raise ValueError(f"the synthetic scenes are {' and '.join(SCENES)}, not {scene!r}")
        if options or not (seed.isascii() and seed.isdigit()):
            raise ValueError("a synthetic source takes one option, a number: ?seed=1")
        return cls(Kind.SYNTHETIC, scene, seed=int(seed))

    @classmethod
    def _rtsp(cls, kind: Kind, url: str) -> "SourceSpec":
        try:
            parts = urlsplit(url)
            host = parts.hostname
            parts.port  # noqa: B018 - raises where the port is no number
        except ValueError:
            raise ValueError(f"the {kind} address is malformed") from None
        if not host or not url.startswith(f"{kind}://"):
            raise ValueError(f"an {kind} source is an address like {kind}://HOST:554/PATH")
        return cls(kind, url)

    @property
    def path(self) -> Path:
        """The address as a path, `~` resolved."""
        return Path(self.address).expanduser()

    def __str__(self) -> str:
        match self.kind:
            case Kind.SYNTHETIC:
                return f"{self.kind}:{self.address}?seed={self.seed}"
            case Kind.RTSP | Kind.RTSPS:
                return self._without_credentials()
            case _:
                return f"{self.kind}:{self.address}"

    def _without_credentials(self) -> str:
        parts = urlsplit(self.address)
        host = parts.netloc.rpartition("@")[2]
        # A query may carry a password too (?user=…&password=…, as some recorders want it).
        return f"{self.kind}://{host}{parts.path}" + ("?…" if parts.query else "")
