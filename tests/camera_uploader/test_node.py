"""The node through ipfshttpclient: a real Kubo."""

import os
import socket
import threading
import warnings
from contextlib import closing

import pytest

from camera_uploader.node import BlockAbsent, Node, NodeError, WrongBytes, multiaddress
from pinhole.contract.cid import MAX_BLOCK_BYTES, Cid
from pinhole.stack.kubo_node import KuboNode
from pinhole.stack.kubo_profile import Role
from pinhole.stack.program import running
from tests.support.kubo import Swarm


def test_a_block_is_stored_under_the_hash_of_its_bytes_and_pinned_directly(node: Node) -> None:
    data = os.urandom(200_000)

    cid = node.put(data)
    node.pin(cid)

    assert cid == Cid.of(data)
    assert node.block(cid) == data
    assert node.size_bytes(cid) == len(data)
    assert cid in set(node.pinned())


def test_the_largest_block_is_taken(node: Node) -> None:
    data = os.urandom(MAX_BLOCK_BYTES)

    assert node.block(node.put(data)) == data


def test_putting_and_pinning_again_changes_nothing(node: Node) -> None:
    cid = node.put(b"the same")
    node.pin(cid)

    assert node.put(b"the same") == cid
    node.pin(cid)

    assert list(node.pinned()).count(cid) == 1


def test_a_block_that_somebody_pinned_recursively_counts_as_pinned(node: Node) -> None:
    cid = node.put(os.urandom(100))
    node._client.pin.add(str(cid), recursive=True)

    node.pin(cid)


def test_a_block_put_only_is_not_pinned(node: Node) -> None:
    cid = node.put(os.urandom(100))

    assert cid not in set(node.pinned())


def test_an_absent_block_is_told_at_once_and_not_searched_elsewhere(node: Node) -> None:
    absent = Cid.of(os.urandom(32))

    with pytest.raises(BlockAbsent):
        node.block(absent)
    with pytest.raises(BlockAbsent):
        node.size_bytes(absent)


def test_the_connection_to_another_node_is_made_and_made_again(
    node: Node, hub_kubo: KuboNode
) -> None:
    node.connect(hub_kubo.addresses[0])
    node.connect(hub_kubo.addresses[0])


def test_an_address_where_nobody_answers_is_an_error_with_kubos_words(node: Node) -> None:
    nobody = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf"

    with pytest.raises(NodeError, match="failed to dial"):
        node.connect(nobody)


def test_identity_is_the_nodes_peer_id(node: Node, camera_kubo: KuboNode) -> None:
    assert node.identity().peer_id == camera_kubo.peer_id
    assert node.identity().agent.startswith("kubo/")


def test_a_node_that_is_not_there_is_an_error_that_may_pass(unused_port: int) -> None:
    with (
        closing(Node(f"http://127.0.0.1:{unused_port}")) as absent,
        pytest.raises(NodeError, match="cannot be reached"),
    ):
        absent.put(b"x")


def test_a_node_that_hangs_is_given_up_in_time(unused_port: int) -> None:
    with (
        socket.create_server(("127.0.0.1", unused_port)),
        closing(Node(f"http://127.0.0.1:{unused_port}", timeout_s=0.2)) as hanging,
        pytest.raises(NodeError, match="in time"),
    ):
        hanging.put(b"x")


def test_the_bearer_token_of_the_rpc_is_sent(swarm: Swarm) -> None:
    with swarm.started(Role.CAMERA, rpc_token="t0ken") as guarded:
        with (
            closing(Node(guarded.rpc_url)) as stranger,
            pytest.raises(NodeError),
        ):
            stranger.put(b"x")
        with closing(Node(guarded.rpc_url, token="t0ken")) as ours:
            ours.pin(ours.put(b"x"))
            ours.identity()


def test_a_node_that_was_restarted_is_used_again(swarm: Swarm) -> None:
    kubo = swarm.node(Role.CAMERA)
    kubo.prepare(swarm.key)
    with closing(Node(kubo.rpc_url)) as node:
        with running(kubo.program()):
            cid = node.put(b"before")
            node.pin(cid)
        with pytest.raises(NodeError):
            node.put(b"meanwhile")
        with running(kubo.program()):
            assert node.block(cid) == b"before"


def test_damaged_bytes_are_not_passed_on(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    cid = node.put(os.urandom(100))
    monkeypatch.setattr(node, "_ask_for_block", lambda *_, **__: b"something else")

    with pytest.raises(WrongBytes):
        node.block(cid)


def test_no_warning_comes_of_using_it(camera_kubo: KuboNode) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with closing(Node(camera_kubo.rpc_url)) as node:
            node.pin(node.put(b"x"))

    assert [str(warning.message) for warning in caught] == []


def test_several_threads_with_a_node_each_do_not_disturb_one_another(
    camera_kubo: KuboNode,
) -> None:
    wrong: list[object] = []

    def work() -> None:
        with closing(Node(camera_kubo.rpc_url)) as node:
            for _ in range(20):
                data = os.urandom(50_000)
                cid = node.put(data)
                node.pin(cid)
                if node.block(cid) != data:
                    wrong.append(cid)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:5001", "/ip4/127.0.0.1/tcp/5001/http"),
        ("http://127.0.0.1:5001/", "/ip4/127.0.0.1/tcp/5001/http"),
        ("http://[::1]:5001", "/ip6/::1/tcp/5001/http"),
        ("http://kubo:5001", "/dns/kubo/tcp/5001/http"),
        ("https://kubo.example", "/dns/kubo.example/tcp/443/https"),
    ],
)
def test_the_rpc_url_is_translated_for_the_library(url: str, expected: str) -> None:
    assert multiaddress(url) == expected
