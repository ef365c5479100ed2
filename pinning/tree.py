"""The file tree: `{h0:2}/{h2:4}/{hash}.jpg`, where the hash is the SHA-256 of the file's bytes.

Deployments that have no Kubo yet keep their pictures so. The hash in the name is the CID's digest,
so path and CID say the same and neither needs a table. `.jpg` is part of the layout and no promise:
the bytes may be of another format.
"""

import re
from typing import Final

from pinhole.contract.cid import Cid

SUFFIX: Final = ".jpg"
DIRECTORY: Final = re.compile(r"[0-9a-f]{2}")
"""A directory's name, on both levels."""
DEPTH: Final = 2

_FILE: Final = re.compile(r"[0-9a-f]{64}\.jpg")


class Misnamed(ValueError):
    """The path is none of the layout; the sentence says what is wrong with it."""


def path_of(cid: Cid) -> str:
    """Return where a block of `cid` is, relative to the tree's root, with `/` between."""
    sha256 = cid.sha256
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}{SUFFIX}"


def cid_of(path: str) -> Cid:
    """Return which block is at `path`, relative to the root.

    Raises:
        Misnamed: no block can be there.
    """
    *directories, name = path.split("/")
    if _FILE.fullmatch(name) is None:
        raise Misnamed(f"a file is named by 64 lower-case hexadecimal digits and {SUFFIX}")
    cid = Cid.from_sha256(name.removesuffix(SUFFIX))
    if directories != [name[:2], name[2:4]]:
        raise Misnamed(f"its place is {path_of(cid)}")
    return cid
