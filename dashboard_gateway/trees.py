"""Uploads larger than one block: a UnixFS file of one root and raw leaves.

Pinhole builds trees with fixed settings only (kubo.md: raw leaves of 2,096,896 bytes), so a root
lists its leaves directly. Source: the DAG-PB and UnixFS specifications.
"""

from dataclasses import dataclass
from typing import Final

from pinhole.contract.cid import Cid
from pinhole.contract.dag_pb import BadTree, fields, links

_UNIXFS_FILE: Final = 2
# Field numbers of PBNode and of UnixFS' Data.
_NODE_DATA: Final = 1
_DATA_TYPE, _DATA_INLINE, _DATA_FILESIZE = 1, 2, 3


@dataclass(frozen=True)
class FileRoot:
    """What a root block says: the file's size and its leaves in order."""

    size_bytes: int
    leaves: tuple[Cid, ...]


def read_root(block: bytes) -> FileRoot:
    """Return the leaves that a verified dag-pb block lists.

    Raises:
        BadTree: no UnixFS file, inline data, or leaves that are not raw SHA-256 blocks.
    """
    leaves = links(block)
    if not all(leaf.is_frame for leaf in leaves):
        raise BadTree("a leaf is not a raw block: the tree has more levels than Pinhole builds")
    data = dict(fields(block)).get(_NODE_DATA)
    described = dict(fields(data)) if isinstance(data, bytes) else {}
    if described.get(_DATA_TYPE) != _UNIXFS_FILE or described.get(_DATA_INLINE):
        raise BadTree("the root is no UnixFS file with raw leaves")
    size_bytes = described.get(_DATA_FILESIZE)
    if not isinstance(size_bytes, int) or not leaves:
        raise BadTree("the root names no size or no leaves")
    return FileRoot(size_bytes, leaves)
