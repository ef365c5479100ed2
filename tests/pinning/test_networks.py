"""Which addresses may be dialled."""

import pytest

from pinhole.contract.pins import Origin
from pinhole.stack.kubo_node import KuboNode
from pinning.networks import AddressNotAllowed, AllowedNetworks, peer_of
from pinning.settings import PinningSettings
from tests.pinning.conftest import SITE, Caller

PRIVATE = PinningSettings.load(postgres_dsn="postgresql://x").allowed_networks
ALLOWED = AllowedNetworks(PRIVATE, hub=[("127.0.0.1", 8181), ("10.0.0.1", 8080)])


@pytest.mark.parametrize(
    ("url", "dialled"),
    [
        ("http://10.8.0.2:8080", "http://10.8.0.2:8080"),
        ("http://10.8.0.2:8080/", "http://10.8.0.2:8080"),
        ("http://192.168.1.2:80", "http://192.168.1.2:80"),
        ("http://[fd00::2]:8080", "http://[fd00::2]:8080"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ],
)
def test_a_number_inside_the_networks_may_be_a_gateway(url: str, dialled: str) -> None:
    assert ALLOWED.gateway(url) == dialled


@pytest.mark.parametrize(
    "url",
    [
        *("http://8.8.8.8:80", "http://169.254.169.254:80", "http://0.0.0.0:80", "http://[::]:80"),
        *("http://[::ffff:169.254.169.254]:80", "http://[fe80::1%25eth0]:80"),
        *("http://localhost:8080", "http://camera.example:8080", "http://2130706433:80"),
        *("http://0x7f.1:80", "http://127.1:80", "http://10.8.0.2", "http://10.8.0.2:99999"),
        *("https://10.8.0.2:443", "ftp://10.8.0.2:21", "file:///etc/passwd", "10.8.0.2:80", ""),
        *("http://user@10.8.0.2:80", "http://10.8.0.2:80/ipfs", "http://10.8.0.2:80?x=1"),
        *("http://10.8.0.2:80#x", "http://[10.8.0.2:80", "http://10.8.0.2:80@8.8.8.8:80"),
    ],
)
def test_anything_else_may_not(url: str) -> None:
    with pytest.raises(AddressNotAllowed):
        ALLOWED.gateway(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8181", "http://127.0.0.9:8181"])
def test_the_hubs_own_gateway_is_no_cameras_origin(url: str) -> None:
    with pytest.raises(AddressNotAllowed, match="hub's own gateway"):
        ALLOWED.gateway(url)
    with pytest.raises(AddressNotAllowed, match="hub's own gateway"):
        ALLOWED.gateway("http://10.0.0.1:8080")


@pytest.mark.parametrize("address", ["/ip4/10.8.0.2/tcp/4001", "/ip6/fd00::2/tcp/4001/p2p/12D3Koo"])
def test_a_tcp_multiaddress_inside_the_networks_is_allowed(address: str) -> None:
    assert ALLOWED.multiaddress(address) == address


@pytest.mark.parametrize(
    "address",
    [
        *("/ip4/8.8.8.8/tcp/4001", "/dns4/example.org/tcp/4001", "/ip4/10.8.0.2/udp/4001/quic-v1"),
        *("/ip4/10.8.0.2/tcp/0", "/ip4/10.8.0.2/tcp/99999", "/ip4/10.8.0.2/tcp/4001/ws"),
        *("/ip4/10.8.0.2/tcp/4001/p2p/a/p2p-circuit", "/unix/tmp/x", "", "10.8.0.2:4001"),
        "/ip4/10.8.0.2/tcp/4001/p2p/a\n",
    ],
)
def test_other_multiaddresses_are_not(address: str) -> None:
    with pytest.raises(AddressNotAllowed):
        ALLOWED.multiaddress(address)


def test_the_peer_at_the_end_of_a_multiaddress_is_read() -> None:
    assert peer_of("/ip4/10.8.0.2/tcp/4001/p2p/12D3Koo") == "12D3Koo"
    assert peer_of("/ip4/10.8.0.2/tcp/4001") is None
    assert peer_of("nonsense") is None


async def test_an_origin_is_set_read_and_forgotten(
    dispatcher: Caller, camera_kubo: KuboNode
) -> None:
    origin = Origin(
        peer_id=camera_kubo.peer_id,
        gateway_url=camera_kubo.gateway_url,
        addresses=["/ip4/127.0.0.1/tcp/4001"],
    )
    await dispatcher.enrol("gate-a", origin)
    path = f"/api/v1/origins/{SITE}/gate-a"
    status, answer = await dispatcher.call("GET", path)
    assert status == 200
    assert Origin.model_validate(answer) == origin
    assert await dispatcher.call("DELETE", path) == (204, None)
    for method in ("GET", "DELETE"):
        assert (await dispatcher.call(method, path))[0] == 404


@pytest.mark.parametrize(
    ("origin", "reason"),
    [
        ({"gateway_url": "http://8.8.8.8:80"}, "ADDRESS_NOT_ALLOWED"),
        ({"gateway_url": "http://camera.example:80"}, "ADDRESS_NOT_ALLOWED"),
        ({"addresses": ["/ip4/127.0.0.1/tcp/1", "/dns4/x.org/tcp/1"]}, "ADDRESS_NOT_ALLOWED"),
        ({"surprise": 1}, "UNPROCESSABLE"),
    ],
)
async def test_an_origin_with_one_bad_address_is_refused_whole(
    dispatcher: Caller, origin: dict[str, object], reason: str
) -> None:
    path = f"/api/v1/origins/{SITE}/gate-a"
    status, answer = await dispatcher.call("PUT", path, json=origin)
    assert (status, answer["error"]["reason"]) == (422, reason)
    assert (await dispatcher.call("GET", path))[0] == 404


async def test_the_hubs_gateway_cannot_be_enrolled_as_a_camera(
    dispatcher: Caller, hub_kubo: KuboNode
) -> None:
    status, answer = await dispatcher.call(
        "PUT", f"/api/v1/origins/{SITE}/thief", json={"gateway_url": hub_kubo.gateway_url}
    )
    assert status == 422
    assert "hub's own gateway" in answer["error"]["details"]


@pytest.mark.parametrize("camera", ["Gate_A", "..", "a" * 64, "gate%2Fa"])
async def test_a_camera_that_is_no_name_is_refused(dispatcher: Caller, camera: str) -> None:
    status, _ = await dispatcher.call("PUT", f"/api/v1/origins/{SITE}/{camera}", json={})
    assert status in (404, 422)
