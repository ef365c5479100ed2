"""Uploads larger than one block: a UnixFS file of one root and raw leaves.

Pinhole builds trees with fixed settings only (kubo.md: raw leaves of 2,096,896 bytes), so a root
lists its leaves directly. The root is a protobuf message of a handful of fields; reading those
needs no library. Source: the DAG-PB and UnixFS specifications.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pinhole.contract.cid import Cid, Codec, InvalidCid
from pinhole.contract.errors import Unprocessable

_MAX_VARINT_BYTES: Final = 10
_UNIXFS_FILE: Final = 2
# Field numbers of PBNode, PBLink and UnixFS' Data.
_NODE_DATA, _NODE_LINK, _LINK_HASH = 1, 2, 1
_DATA_TYPE, _DATA_INLINE, _DATA_FILESIZE = 1, 2, 3
_CID_V1_SHA256: Final = {
    bytes((0x01, 0x55, 0x12, 0x20)): Codec.RAW,
    bytes((0x01, 0x70, 0x12, 0x20)): Codec.DAG_PB,
}


class BadTree(Unprocessable):
    """The block is no root of a file as Pinhole builds them."""

    reason = "BAD_TREE"


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
    leaves: list[Cid] = []
    data = b""
    for number, value in _fields(block):
        if number == _NODE_LINK and isinstance(value, bytes):
            leaves.append(_leaf(value))
        elif number == _NODE_DATA and isinstance(value, bytes):
            data = value
    described = dict(_fields(data))
    if described.get(_DATA_TYPE) != _UNIXFS_FILE or described.get(_DATA_INLINE):
        raise BadTree("the root is no UnixFS file with raw leaves")
    size_bytes = described.get(_DATA_FILESIZE)
    if not isinstance(size_bytes, int) or not leaves:
        raise BadTree("the root names no size or no leaves")
    return FileRoot(size_bytes, tuple(leaves))


def _leaf(link: bytes) -> Cid:
    identifier = dict(_fields(link)).get(_LINK_HASH)
    if not isinstance(identifier, bytes) or _CID_V1_SHA256.get(identifier[:4]) is not Codec.RAW:
        raise BadTree("a leaf is not a raw block: the tree has more levels than Pinhole builds")
    try:
        return Cid(identifier[4:])
    except InvalidCid as error:
        raise BadTree(f"a leaf's CID is cut: {error.details}") from error


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (field number, value) of a protobuf message of varints and bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        value, at = _varint(message, at)
        match key & 7:
            case 0:  # a varint: the value itself
                yield key >> 3, value
            case 2:  # bytes: the value is their length
                if at + value > len(message):
                    raise BadTree("the block ends inside a field")
                yield key >> 3, message[at : at + value]
                at += value
            case wire_type:
                raise BadTree(f"protobuf wire type {wire_type} has no place in a dag-pb block")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for count, byte in enumerate(message[at : at + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:  # noqa: PLR2004 - protobuf's continuation bit
            return value, at + count + 1
    raise BadTree("a number in the block has no end")
