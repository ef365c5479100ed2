"""Signed webhooks: Ed25519 (`v1a`) for cameras, HMAC-SHA256 (`v1`) for keyless senders.

Source: the Standard Webhooks specification 1.0: the signed content is
`{webhook-id}.{webhook-timestamp}.{body}`; several signatures are separated by spaces.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pinhole.contract.errors import Unauthorized

TOLERANCE: Final = timedelta(minutes=5)
MAX_SIGNATURES: Final = 8  # bounds the work an unauthenticated sender can ask for
MAX_ID_LENGTH: Final = 128
_HMAC_PREFIX: Final = "whsec_"
_PUBLIC_PREFIX: Final = "whpk_"
_PRIVATE_PREFIX: Final = "whsk_"


class BadSignature(Unauthorized):
    """No signature of the request was made by a key of this sender."""

    reason = "BAD_SIGNATURE"


class ClockSkew(Unauthorized):
    """The signature is good and its timestamp is more than 5 minutes from the hub's clock."""

    reason = "CLOCK_SKEW"

    def __init__(self, details: str, *, hub_time: datetime) -> None:
        super().__init__(details)
        self.hub_time = hub_time


class Signer(Protocol):
    """Something that signs a body for sending."""

    def headers(self, body: bytes, message_id: str, at: datetime) -> dict[str, str]:
        """Return the three `webhook-*` headers for `body`."""


class Key(Protocol):
    """Something that checks one signature."""

    @property
    def scheme(self) -> str:
        """`v1` or `v1a`."""

    def verifies(self, content: bytes, signature: bytes) -> bool:
        """Whether `signature` over `content` was made with this key."""


def _headers(scheme: str, signature: bytes, message_id: str, timestamp: int) -> dict[str, str]:
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"{scheme},{base64.b64encode(signature).decode()}",
    }


def _content(message_id: str, timestamp: str, body: bytes) -> bytes:
    return f"{message_id}.{timestamp}.".encode() + body


def _decode(text: str, prefix: str) -> bytes:
    try:
        return base64.b64decode(text.removeprefix(prefix), validate=True)
    except binascii.Error as error:
        raise ValueError(f"the key after {prefix!r} is not base64") from error


@dataclass(frozen=True)
class HmacKey:
    """A shared secret: signs and verifies `v1`."""

    secret: bytes

    @property
    def scheme(self) -> str:
        """HMAC-SHA256's name in Standard Webhooks."""
        return "v1"

    @classmethod
    def generate(cls) -> "HmacKey":
        """Return a new secret of 32 random bytes."""
        return cls(secrets.token_bytes(32))

    @classmethod
    def parse(cls, text: str) -> "HmacKey":
        """Read `whsec_<base64>`."""
        return cls(_decode(text, _HMAC_PREFIX))

    def __str__(self) -> str:
        return _HMAC_PREFIX + base64.b64encode(self.secret).decode()

    def __repr__(self) -> str:
        return "HmacKey(…)"

    def verifies(self, content: bytes, signature: bytes) -> bool:
        """Whether `signature` is the HMAC-SHA256 of `content`, in constant time."""
        return hmac.compare_digest(self._sign(content), signature)

    def _sign(self, content: bytes) -> bytes:
        return hmac.digest(self.secret, content, hashlib.sha256)

    def headers(self, body: bytes, message_id: str, at: datetime) -> dict[str, str]:
        """Return the three `webhook-*` headers for `body`."""
        timestamp = int(at.timestamp())
        signature = self._sign(_content(message_id, str(timestamp), body))
        return _headers(self.scheme, signature, message_id, timestamp)


class Ed25519Key:
    """A camera's public key: verifies `v1a`."""

    def __init__(self, public: bytes) -> None:
        self.public = public
        self._key = Ed25519PublicKey.from_public_bytes(public)

    @property
    def scheme(self) -> str:
        """Ed25519's name in Standard Webhooks."""
        return "v1a"

    @classmethod
    def parse(cls, text: str) -> "Ed25519Key":
        """Read `whpk_<base64>`."""
        return cls(_decode(text, _PUBLIC_PREFIX))

    def __str__(self) -> str:
        return _PUBLIC_PREFIX + base64.b64encode(self.public).decode()

    def verifies(self, content: bytes, signature: bytes) -> bool:
        """Whether `signature` over `content` was made with the private half."""
        try:
            self._key.verify(signature, content)
        except InvalidSignature:
            return False
        return True


class Ed25519Signer:
    """A camera's private key, made on the camera and never sent."""

    def __init__(self, private: bytes) -> None:
        self._private = private
        self._key = Ed25519PrivateKey.from_private_bytes(private)

    @classmethod
    def generate(cls) -> "Ed25519Signer":
        """Return a new key."""
        return cls(Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> "Ed25519Signer":
        """Read `whsk_<base64>`."""
        return cls(_decode(text, _PRIVATE_PREFIX))

    def export(self) -> str:
        """Return `whsk_<base64>`: a secret, for the key file only."""
        return _PRIVATE_PREFIX + base64.b64encode(self._private).decode()

    @property
    def public(self) -> Ed25519Key:
        """The public half, which the hub knows."""
        return Ed25519Key(self._key.public_key().public_bytes_raw())

    def headers(self, body: bytes, message_id: str, at: datetime) -> dict[str, str]:
        """Return the three `webhook-*` headers for `body`."""
        timestamp = int(at.timestamp())
        signature = self._key.sign(_content(message_id, str(timestamp), body))
        return _headers("v1a", signature, message_id, timestamp)


def verify(
    headers: Mapping[str, str],
    body: bytes,
    keys: Iterable[Key],
    now: datetime,
    *,
    tolerance: timedelta = TOLERANCE,
) -> str:
    """Return the `webhook-id` of a request that one of `keys` signed within `tolerance` of `now`.

    The signature is checked before the clock, so a stranger learns nothing of the hub's time.

    Raises:
        BadSignature: a header is missing or malformed, or no key made any signature.
        ClockSkew: signed by a key, at another time; it carries `now`.
    """
    message_id, timestamp, signatures = _read_headers(headers)
    content = _content(message_id, timestamp, body)
    by_scheme = list(keys)
    if not any(
        key.verifies(content, signature)
        for scheme, signature in signatures
        for key in by_scheme
        if key.scheme == scheme
    ):
        raise BadSignature("no signature of the request was made by a key of this sender")
    skew_s = float(timestamp) - now.timestamp()
    if abs(skew_s) > tolerance.total_seconds():
        raise ClockSkew(
            f"webhook-timestamp is {skew_s:+.0f} s from the hub's clock, the limit is "
            f"{tolerance.total_seconds():.0f} s",
            hub_time=now,
        )
    return message_id


def _read_headers(headers: Mapping[str, str]) -> tuple[str, str, list[tuple[str, bytes]]]:
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not 0 < len(message_id) <= MAX_ID_LENGTH:
        raise BadSignature("webhook-id is missing or longer than 128 characters")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= len("9999999999999")):
        raise BadSignature("webhook-timestamp is missing or not a number of seconds")
    signatures = []
    for part in headers.get("webhook-signature", "").split(" ")[:MAX_SIGNATURES]:
        scheme, _, encoded = part.partition(",")
        try:
            signatures.append((scheme, base64.b64decode(encoded, validate=True)))
        except binascii.Error:
            continue
    if not signatures:
        raise BadSignature("webhook-signature is missing or unreadable")
    return message_id, timestamp, signatures
