"""Links of trees, read from the blocks that Kubo writes and from any other bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinhole.contract.cid import Cid, Codec, InvalidCid
from pinhole.contract.dag_pb import BadTree, links

LEAF, NODE = Cid.of(b"leaf"), Cid(Cid.of(b"node").digest, Codec.DAG_PB)


def _link(target: bytes) -> bytes:
    """Return a PBNode field with a link of hash, name and size; all shorter than 128 bytes."""
    link = bytes((0x0A, len(target))) + target + b"\x12\x01a\x18\x07"
    return bytes((0x12, len(link))) + link


def test_links_are_read_in_their_order_with_repetitions_in_either_cid_version() -> None:
    version_0 = b"\x12\x20" + NODE.digest
    block = _link(LEAF.binary) + _link(NODE.binary) + _link(version_0) + _link(LEAF.binary)
    assert links(block + b"\x0a\x02\x08\x02") == (LEAF, NODE, NODE, LEAF)
    assert links(b"") == ()


@pytest.mark.parametrize(
    "block",
    [
        b"\x12\x05cut",
        b"\x12",
        b"\x12\x03\x18\x07\x07",  # a link without a target
        b"\x11" + bytes(8),  # a fixed 64-bit field
        b"\xff" * 11,  # a number without an end
        _link(b"\x01\x55\x00\x04data"),  # an identity CID
        _link(b"\x01\x55\x13\x40" + bytes(64)),  # sha2-512
        _link(LEAF.binary[:-1]),
    ],
)
def test_a_block_that_is_no_node_of_ours_is_refused(block: bytes) -> None:
    with pytest.raises(BadTree):
        links(block)


@given(st.binary(max_size=300))
def test_any_bytes_are_links_or_a_bad_tree(block: bytes) -> None:
    try:
        found = links(block)
    except BadTree:
        return
    assert all(isinstance(cid, Cid) for cid in found)


@given(st.binary(min_size=32, max_size=32), st.sampled_from(Codec))
def test_the_binary_form_is_36_bytes_and_leads_back(digest: bytes, codec: Codec) -> None:
    cid = Cid(digest, codec)
    assert len(cid.binary) == 36
    assert Cid.from_binary(cid.binary) == cid


@pytest.mark.parametrize("binary", [b"", b"\x12\x20" + bytes(32), LEAF.binary + b"x"])
def test_another_binary_form_is_no_cid(binary: bytes) -> None:
    with pytest.raises(InvalidCid):
        Cid.from_binary(binary)
