"""A hub over https: its certificate is checked."""

import ssl
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from camera_uploader import events
from camera_uploader.clock import HubClock
from camera_uploader.hub import Hub, HubUnavailable
from camera_uploader.identity import Identity
from pinhole.contract.event import StatusData
from pinhole.contract.ids import uuid7
from tests.camera_uploader.recording_hub import RecordingHub, serving


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Give a self-signed certificate of 127.0.0.1, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "hub.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_a_hub_is_spoken_to_only_where_its_certificate_is_trusted(
    identity: Identity, clock: HubClock, certificate: Path
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    recording_hub = RecordingHub(public_key=identity.signer.public)
    body = events.status(identity.source, StatusData(stream=uuid7(), last_seq=0, spool_depth=0))
    with serving(recording_hub, tls=tls) as url:
        with closing(Hub(url, identity, clock, ca_file=certificate)) as hub:
            assert hub.deliver([body]).accepted == 1
        with (
            closing(Hub(url, identity, clock)) as hub,
            pytest.raises(HubUnavailable, match="CERTIFICATE_VERIFY_FAILED"),
        ):
            hub.deliver([body])

    assert len(recording_hub.deliveries) == 1
