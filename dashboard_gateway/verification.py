"""Who sends: the camera that a message names, if one of its keys signed the message.

Strangers, wrong keys and wrong signatures get one and the same answer, after the same work: what
is enrolled here cannot be found out by asking.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from dashboard_gateway.cameras import Camera
from dashboard_gateway.roster import Roster
from pinhole.contract.errors import Forbidden
from pinhole.contract.ids import is_name
from pinhole.contract.signing import BadSignature, Ed25519Signer, HmacKey, Key, verify

SOURCE_HEADER: Final = "Pinhole-Source"
"""Names the sender where the body is bytes and cannot."""

# A stranger's signature is checked too, against keys that nobody has.
_NOBODY: Final[tuple[Key, ...]] = (Ed25519Signer.generate().public, HmacKey.generate())
_SOURCE_PARTS: Final = 5
_SIGNED_HEADERS: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")


class Revoked(Forbidden):
    """The sender is who it says, and its enrolment was ended."""

    reason = "REVOKED"


def is_source(text: object) -> bool:
    """Whether `text` is the `source` of a camera's events."""
    if not isinstance(text, str):
        return False
    parts = text.split("/")
    return (
        len(parts) == _SOURCE_PARTS
        and (parts[0], parts[1], parts[3]) == ("", "sites", "cameras")
        and is_name(parts[2])
        and is_name(parts[4])
    )


def claimed_source(received: Iterable[Any]) -> str | None:
    """Return the first `source` that the JSON values of a delivery name."""
    for value in received:
        if isinstance(value, dict) and is_source(value.get("source")):
            return str(value["source"])
    return None


async def verified_sender(
    roster: Roster, source: str | None, headers: Mapping[str, str], body: bytes
) -> Camera:
    """Return the camera `source`, one of whose keys signed `body` within 5 minutes of now.

    Raises:
        BadSignature: there is no such camera, or none of its keys made the signature.
        ClockSkew: it signed at another time; the sentence tells the hub's.
        Revoked: it signed, and may not send any more.
    """
    camera = await roster.find(source) if source is not None and is_source(source) else None
    keys = camera.keys if camera is not None else _NOBODY
    verify(headers, body, keys, datetime.now(UTC))
    if camera is None:
        raise BadSignature("no signature of the request was made by a key of this sender")
    if camera.revoked_at is not None:
        raise Revoked(f"{camera.source} was revoked at {camera.revoked_at.isoformat()}")
    return camera


def evidence(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that were signed or sign, as they came."""
    return {name: headers.get(name, "") for name in _SIGNED_HEADERS}
