"""Kubo's official release archive, checked against its published SHA-512."""

import hashlib
import io
import platform
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

from pinhole.stack.failure import StackFailure
from pinhole.stack.progress import Report

KUBO_VERSION = "0.43.0"
# The archive and its digest come from two places: whoever alters one has to alter both.
ARCHIVES = "https://dist.ipfs.tech/kubo/v{version}/{archive}"
DIGESTS = "https://github.com/ipfs/kubo/releases/download/v{version}/{archive}.sha512"
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_TIMEOUT_S = 60.0
_ARCHIVE_LIMIT_BYTES = 200_000_000
_DIGEST_LIMIT_BYTES = 1_000


def download(target: Path, report: Report) -> None:
    """Fetch the release for this machine and leave its `ipfs` at `target`.

    Raises:
        StackFailure: There is none for this machine, it cannot be fetched, or it is not the
            one that was published.

    """
    names = {
        "version": KUBO_VERSION,
        "archive": archive_name(platform.system(), platform.machine()),
    }
    report(f"kubo: downloading {names['archive']}")
    archive = _fetch(ARCHIVES.format(**names), _ARCHIVE_LIMIT_BYTES)
    published = _fetch(DIGESTS.format(**names), _DIGEST_LIMIT_BYTES).decode("ascii", "replace")
    target.write_bytes(extract(archive, published))
    target.chmod(0o755)


def archive_name(system: str, machine: str) -> str:
    """Return the archive's name for a machine as `platform` describes it.

    Raises:
        StackFailure: No release is made for it.

    """
    architecture = _ARCHITECTURES.get(machine.lower())
    if architecture is None or system not in {"Linux", "Darwin"}:
        raise StackFailure(f"there is no release of Kubo for {system} on {machine}")
    return f"kubo_v{KUBO_VERSION}_{system.lower()}-{architecture}.tar.gz"


def extract(archive: bytes, published: str) -> bytes:
    """Return the `ipfs` in `archive`, whose SHA-512 must be the first word of `published`.

    Raises:
        StackFailure: The digests differ, or there is no `ipfs` inside.

    """
    expected = published.split(maxsplit=1)[0].lower() if published.strip() else "(nothing)"
    seen = hashlib.sha512(archive).hexdigest()
    if seen != expected:
        raise StackFailure(
            f"the downloaded archive has SHA-512 {seen[:16]}…, published is {expected[:16]}…: "
            "it was not used"
        )
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as files:
        try:
            member = files.extractfile("kubo/ipfs")
        except KeyError:
            member = None
        if member is None:
            raise StackFailure("the release archive holds no kubo/ipfs")
        return member.read()


def _fetch(url: str, limit_bytes: int) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - https above
            body: bytes = answer.read(limit_bytes + 1)
    except (urllib.error.URLError, OSError) as error:
        raise StackFailure(f"{url} cannot be fetched: {error}") from error
    if len(body) > limit_bytes:
        raise StackFailure(f"{url} is larger than the {limit_bytes} bytes expected at most")
    return body
