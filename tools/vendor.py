"""Fetch the vendored JavaScript anew: `python tools/vendor.py [NAME=VERSION …]`.

What is vendored stands in dashboard_gateway/static/vendor/vendored.json: package, version, which
file of the package, and the SHA-256 of what lies here. Needs npm, whose client checks the
registry's integrity hashes; the dashboard itself needs no Node.
"""

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent.parent / "dashboard_gateway" / "static" / "vendor"
LIST: Final = FOLDER / "vendored.json"


def fetch(package: str, version: str) -> dict[str, bytes]:
    """Return the files of a published package by their path in it."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", f"{package}@{version}", "--silent", "--pack-destination", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - no shell
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as tar:
            return {
                member.name.removeprefix("package/"): content.read()
                for member in tar
                if (content := tar.extractfile(member)) is not None
            }


def refresh(entry: dict[str, Any], version: str) -> dict[str, Any]:
    """Write one library's file and licence; return its entry for the list."""
    files = fetch(entry["package"], version)
    script, licence = files[entry["source"]], files[entry["licence_source"]]
    (FOLDER / entry["file"]).write_bytes(script)
    (FOLDER / entry["licence_file"]).write_bytes(licence)
    return {**entry, "version": version, "sha256": hashlib.sha256(script).hexdigest()}


def main(words: Sequence[str]) -> None:
    """Refresh every library, at the versions listed or at those given."""
    wanted = dict(word.rsplit("=", 1) for word in words)
    listed = json.loads(LIST.read_text(encoding="utf-8"))
    fresh = [refresh(entry, wanted.get(entry["package"], entry["version"])) for entry in listed]
    LIST.write_text(json.dumps(fresh, indent=2) + "\n", encoding="utf-8")
    for entry in fresh:
        sys.stdout.write(f"{entry['package']} {entry['version']} -> {entry['file']}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
