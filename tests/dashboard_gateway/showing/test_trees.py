import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard_gateway.trees import read_root
from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid, Codec
from pinhole.contract.dag_pb import BadTree
from tests.support.gallery import Gallery


async def test_the_root_of_a_file_that_kubo_made_lists_its_leaves(gallery: Gallery) -> None:
    data = bytes(range(256)) * 16_000
    root = await gallery.kubo.add_tree(data)
    described = read_root(await gallery.kubo.block_get(root))
    assert described.size_bytes == len(data)
    parts = [data[:MAX_BLOCK_BYTES], data[MAX_BLOCK_BYTES:]]
    assert described.leaves == tuple(Cid.of(part) for part in parts)


@given(st.binary(max_size=300))
def test_any_other_block_is_refused_and_nothing_else_is_raised(block: bytes) -> None:
    with contextlib.suppress(BadTree):
        assert read_root(block).leaves


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        pytest.param(
            bytes((0x01, 0x55, 0x00, 0x04)) + b"data", "a link of the block", id="identity"
        ),
        pytest.param(
            Cid(Cid.of(b"x").digest, Codec.DAG_PB).binary, "more levels", id="a tree below"
        ),
    ],
)
def test_a_leaf_that_is_no_raw_block_is_refused(target: bytes, sentence: str) -> None:
    link = bytes((0x0A, len(target))) + target
    with pytest.raises(BadTree, match=sentence):
        read_root(bytes((0x12, len(link))) + link)
