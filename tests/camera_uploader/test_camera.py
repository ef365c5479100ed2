"""The whole camera: a real node, a real spool, a hub over HTTP."""

from pinhole.contract.cid import Cid
from tests.camera_uploader.edge import Edge


def test_a_photograph_is_stored_untouched_and_sent_as_a_reference(edge: Edge, photo: bytes) -> None:
    edge.put("bus.jpg", photo)
    edge.run()

    (event,) = edge.arrived(1)

    cid = Cid.of(photo)
    assert event["subject"] == str(cid)
    assert event["data"]["size_bytes"] == len(photo)
    assert (event["data"]["width_px"], event["data"]["height_px"]) == (810, 1080)
    assert edge.node.block(cid) == photo
    assert cid in set(edge.node.pinned())


def test_an_event_without_attributes_is_at_most_700_bytes(edge: Edge, photo: bytes) -> None:
    edge.put("bus.jpg", photo)
    edge.run()
    edge.arrived(1)

    sizes = [len(d.body) for d in edge.hub.deliveries if b"frame.captured" in d.body]

    assert max(sizes) <= 700
