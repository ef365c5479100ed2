"""What the hub asks a camera for, and what it gets."""

from pinhole.contract.cid import Cid
from pinhole.contract.receipt import Wanted
from tests.camera_uploader.edge import Edge, put_on_node
from tests.camera_uploader.pictures import jpeg
from tests.support.polling import WaitUntil


def test_bytes_that_the_hub_could_not_fetch_are_pushed(edge: Edge, wait_until: WaitUntil) -> None:
    edge.run()
    edge.put("a.jpg", jpeg(1))
    (event,) = edge.arrived(1)
    cid = Cid.of(jpeg(1))

    edge.hub.wanted = [Wanted(stream=event["data"]["stream"], seq=1, cid=cid)]

    wait_until(lambda: edge.hub.blocks)
    assert edge.hub.blocks == {cid: jpeg(1)}
    wait_until(lambda: edge.hub.wanted == [])


def test_wishes_for_blocks_that_no_event_of_this_camera_names_are_not_granted(
    edge: Edge, wait_until: WaitUntil
) -> None:
    put_on_node(edge, b"of another camera on this node")
    edge.run()
    edge.put("a.jpg", jpeg(1))
    (event,) = edge.arrived(1)
    stream = event["data"]["stream"]

    edge.hub.wanted = [
        Wanted(stream=stream, seq=1, cid=Cid.of(b"of another camera on this node")),
        Wanted(cid=Cid.of(b"of another camera on this node")),
    ]
    heard = len(edge.hub.statuses)
    wait_until(lambda: len(edge.hub.statuses) >= heard + 3)

    assert edge.hub.blocks == {}


def test_bytes_that_are_gone_are_declared_lost(edge: Edge, wait_until: WaitUntil) -> None:
    edge.run()
    edge.put("a.jpg", jpeg(77))
    (event,) = edge.arrived(1)
    cid = Cid.of(jpeg(77))
    edge.node._client.pin.rm(str(cid), recursive=False)
    edge.node._http.request("/block/rm", (str(cid),), opts={"force": "true"}, decoder="json")

    edge.hub.wanted = [Wanted(stream=event["data"]["stream"], seq=1, cid=cid)]

    wait_until(lambda: edge.hub.lost)
    lost = edge.hub.lost[0].data
    assert (str(lost.stream), lost.first_seq, lost.last_seq) == (event["data"]["stream"], 1, 1)
    assert "does not hold" in lost.reason
