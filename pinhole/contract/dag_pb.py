"""Blocks of trees: the links of a dag-pb block, read without a library.

The block is a protobuf message of a handful of fields. Source: the DAG-PB specification.
"""

from collections.abc import Iterator
from typing import Final

from pinhole.contract.cid import Cid, Codec, InvalidCid
from pinhole.contract.errors import Unprocessable

_NODE_LINK: Final = 2
_LINK_HASH: Final = 1
_VARINT, _BYTES = 0, 2
_MAX_VARINT_BYTES: Final = 10
_CONTINUES: Final = 0x80
_MULTIHASH_SHA256: Final = bytes((0x12, 0x20))


class BadTree(Unprocessable):
    """The block is no dag-pb node, or links to something that Pinhole does not accept."""

    reason = "BAD_TREE"


def links(block: bytes) -> tuple[Cid, ...]:
    """Return what a dag-pb block links to, in order, with repetitions.

    Raises:
        BadTree: the block is malformed, or a link is not raw or dag-pb with sha2-256.
    """
    return tuple(_target(value) for number, value in fields(block) if number == _NODE_LINK)


def _target(link: int | bytes) -> Cid:
    found = dict(fields(link)).get(_LINK_HASH) if isinstance(link, bytes) else None
    if not isinstance(found, bytes):
        raise BadTree("a link of the block has no target")
    try:
        # A bare multihash is CIDv0, which is always dag-pb.
        if found.startswith(_MULTIHASH_SHA256):
            return Cid(found[len(_MULTIHASH_SHA256) :], Codec.DAG_PB)
        return Cid.from_binary(found)
    except InvalidCid as error:
        raise BadTree(f"a link of the block: {error.details}") from error


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (field number, value) of a protobuf message of varints and bytes.

    Raises:
        BadTree: it is cut, or has fields of another kind.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        value, at = _varint(message, at)
        if key & 7 == _VARINT:
            yield key >> 3, value
        elif key & 7 == _BYTES:
            if at + value > len(message):
                raise BadTree("the block ends inside a field")
            yield key >> 3, message[at : at + value]
            at += value
        else:
            raise BadTree(f"protobuf wire type {key & 7} has no place in a dag-pb block")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for count, byte in enumerate(message[at : at + _MAX_VARINT_BYTES]):
        value |= (byte & ~_CONTINUES) << (7 * count)
        if byte < _CONTINUES:
            return value, at + count + 1
    raise BadTree("a number in the block has no end")
