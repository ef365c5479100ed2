"""Who the camera is: its name in events, and the key made on it that never leaves it."""

import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pinhole.contract.errors import PinholeError
from pinhole.contract.signing import Ed25519Signer

logger = logging.getLogger(__name__)

_PUBLIC_MODE = 0o644


class BadKey(PinholeError):
    """The key file cannot be read, made, or understood; it is never overwritten."""

    reason = "BAD_KEY"


@dataclass(frozen=True)
class Identity:
    """A camera's `source` and its signer."""

    source: str
    signer: Ed25519Signer


def load_or_make(key_file: Path) -> Ed25519Signer:
    """Return the key in `key_file`, made and stored first where there is none.

    Its public half lies beside it as `….pub`: that is what the hub enrols.

    Raises:
        BadKey: the file is there and holds no key, or cannot be read or written.
    """
    try:
        if not key_file.exists():
            _make(key_file)
        signer = Ed25519Signer.parse(key_file.read_text(encoding="ascii").strip())
        _publish(key_file, signer)
    except OSError as error:
        raise BadKey(f"the key file {key_file} cannot be used: {error.strerror}") from error
    except ValueError as error:
        raise BadKey(f"{key_file} holds no private key (whsk_…)") from error
    return signer


def public_key_file(key_file: Path) -> Path:
    """Return where the public half is written."""
    return key_file.with_name(key_file.name + ".pub")


def _make(key_file: Path) -> None:
    key_file.parent.mkdir(parents=True, exist_ok=True)
    signer = Ed25519Signer.generate()
    descriptor, name = tempfile.mkstemp(prefix=f".{key_file.name}.", dir=key_file.parent)
    fresh = Path(name)
    _write(descriptor, signer.export())
    try:
        # A link, not a rename: of two first starts at once, one makes the key and both use it.
        key_file.hardlink_to(fresh)
    except FileExistsError:
        return
    finally:
        fresh.unlink()
    _sync_directory(key_file.parent)
    logger.info("made a signing key: %s", key_file)


def _publish(key_file: Path, signer: Ed25519Signer) -> None:
    public = str(signer.public)
    path = public_key_file(key_file)
    try:
        if not path.exists() or path.read_text(encoding="ascii").strip() != public:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PUBLIC_MODE)
            _write(descriptor, public)
    except OSError as error:
        # The key itself may be mounted read-only, as a secret is.
        logger.warning("the public key was not written beside the key: %s", error.strerror)


def _write(descriptor: int, text: str) -> None:
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    """Make a new name in `directory` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
