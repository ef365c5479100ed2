"""The hub as the camera sees it: signed requests over one kept-alive connection.

Source: Standard Webhooks 1.0 (headers); CloudEvents 1.0 HTTP binding (content types); RFC 9110
§10.2.3 (Retry-After).
"""

import hashlib
import http.client
import json
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import ValidationError

from camera_uploader.clock import HubClock
from camera_uploader.identity import Identity
from pinhole.contract.cid import Cid
from pinhole.contract.errors import PinholeError, Refused, Unavailable
from pinhole.contract.event import BATCH_CONTENT_TYPE, SINGLE_CONTENT_TYPE
from pinhole.contract.pins import BlockStored
from pinhole.contract.receipt import Receipt
from pinhole.contract.signing import ClockSkew

EVENTS_PATH: Final = "/api/v1/events"
BLOCKS_PATH: Final = "/api/v1/blocks"
# A receipt with 500 wanted blocks and 500 rejections is about 200 KB.
_MAX_ANSWER_BYTES: Final = 4_000_000
# A hub that asks for more is obeyed up to this: a wrong date must not silence a camera for a year.
_MAX_RETRY_AFTER_S: Final = 3600.0
_TRY_LATER: Final = frozenset({404, 405, 408, 425, 429})
CLOCK_SKEW: Final = ClockSkew.reason
_STRANGER: Final = frozenset({401, 403})


class HubUnavailable(Unavailable):
    """The hub did not answer, or not now, or not understandably: keep everything and try again."""

    reason = "HUB_UNAVAILABLE"

    def __init__(
        self, details: str, *, reason: str | None = None, retry_after_s: float = 0.0
    ) -> None:
        # Zero: the hub named no time, the camera's own back-off decides.
        super().__init__(details, reason=reason, retry_after_s=retry_after_s)


class NotWelcome(HubUnavailable):
    """The hub does not accept this camera: not enrolled, revoked, or with another key."""

    reason = "NOT_WELCOME"


class DeliveryRefused(Refused):
    """The hub will not take this body; the same again is useless."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from the hub."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Hub:
    """A connection to the hub. For one thread at a time; opened when needed, kept open."""

    def __init__(
        self,
        url: str,
        identity: Identity,
        clock: HubClock,
        *,
        timeout_s: float = 10.0,
        ca_file: Path | None = None,
    ) -> None:
        parts = urlsplit(url)
        self._prefix = parts.path.rstrip("/")
        self._identity = identity
        self._clock = clock
        host, port = parts.hostname or "", parts.port
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            trusted = ssl.create_default_context(cafile=ca_file)
            self._connection = http.client.HTTPSConnection(
                host, port, timeout=timeout_s, context=trusted
            )
        else:
            self._connection = http.client.HTTPConnection(host, port, timeout=timeout_s)

    def deliver(self, bodies: list[bytes]) -> Receipt:
        """Send one event as itself, several as a batch, and return the hub's receipt.

        Raises:
            HubUnavailable: try again, not before `retry_after_s`.
            DeliveryRefused: no event of it was kept, and there is no receipt that says why.
        """
        if len(bodies) == 1:
            answer = self._post(EVENTS_PATH, bodies[0], SINGLE_CONTENT_TYPE)
        else:
            answer = self._post(EVENTS_PATH, b"[" + b",".join(bodies) + b"]", BATCH_CONTENT_TYPE)
        return _receipt(answer)

    def push(self, cid: Cid, data: bytes) -> BlockStored:
        """Send a block's bytes to the hub; raises as `deliver`."""
        answer = self._post(BLOCKS_PATH, data, "application/octet-stream")
        if answer.status not in (200, 201, 202):
            raise _no_success(answer)
        try:
            stored = BlockStored.model_validate_json(answer.body)
        except ValidationError as error:
            raise HubUnavailable("the hub's answer to a block is no answer of ours") from error
        if stored.cid != cid:
            raise HubUnavailable(f"the hub stored {stored.cid}, the bytes sent are {cid}")
        return stored

    def close(self) -> None:
        """Close the connection; the next request opens it again."""
        self._connection.close()

    def _post(self, path: str, body: bytes, content_type: str) -> Answer:
        """Return the hub's answer below 500 that is not about our clock.

        Raises:
            HubUnavailable: no such answer came.
        """
        answer = self._exchange(path, body, content_type)
        if _reason(answer) == CLOCK_SKEW:
            # `_exchange` has learnt the hub's time; the events keep theirs.
            answer = self._exchange(path, body, content_type)
        if answer.status >= 500 or answer.status in _TRY_LATER or 300 <= answer.status < 400:  # noqa: PLR2004
            raise HubUnavailable(
                f"the hub answered {answer.status} {_reason(answer)}: {_details(answer)}",
                retry_after_s=_retry_after_s(answer),
            )
        if answer.status in _STRANGER:
            raise NotWelcome(f"{_reason(answer)}: {_details(answer)}", reason=_reason(answer))
        return answer

    def _exchange(self, path: str, body: bytes, content_type: str) -> Answer:
        sent_at = datetime.now(UTC)
        # The id belongs to the content: the same body sent again is the same message.
        message_id = f"msg_{hashlib.sha256(body).hexdigest()[:32]}"
        headers = {
            **self._identity.signer.headers(body, message_id, self._clock.hub_now()),
            "Content-Type": content_type,
            "Pinhole-Source": self._identity.source,
            "User-Agent": "pinhole-camera",
        }
        try:
            answer = self._request(self._prefix + path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise HubUnavailable(
                f"the hub cannot be reached: {type(error).__name__}: {error}"
            ) from error
        self._learn_time(answer, sent_at)
        return answer

    def _request(self, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        was_open = self._connection.sock is not None
        try:
            return self._send(path, body, headers)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            if not was_open:
                raise
        # The hub closed an idle connection. Every request may be repeated without harm.
        self._connection.close()
        return self._send(path, body, headers)

    def _send(self, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        self._connection.request("POST", path, body, headers)
        response = self._connection.getresponse()
        received = response.read(_MAX_ANSWER_BYTES + 1)
        if len(received) > _MAX_ANSWER_BYTES or response.will_close:
            self._connection.close()
        if len(received) > _MAX_ANSWER_BYTES:
            raise http.client.HTTPException(f"an answer of more than {_MAX_ANSWER_BYTES} bytes")
        return Answer(response.status, response.headers, received)

    def _learn_time(self, answer: Answer, sent_at: datetime) -> None:
        hub_time = _hub_time(answer)
        if hub_time is not None:
            self._clock.learn(hub_time, sent_at, datetime.now(UTC))


def _receipt(answer: Answer) -> Receipt:
    try:
        return Receipt.model_validate_json(answer.body)
    except ValidationError as error:
        raise _no_success(answer) from error


def _no_success(answer: Answer) -> PinholeError:
    """Return what an answer means that is not the one hoped for.

    Only a refusal in the contract's own words is believed to be one: a proxy that says 400, or an
    acknowledgement that cannot be read, must not cost a frame.
    """
    if answer.status >= 400 and "reason" in _error(answer):  # noqa: PLR2004
        return DeliveryRefused(_details(answer), reason=_reason(answer))
    return HubUnavailable(f"the hub answered {answer.status} with something unknown to a camera")


def _json(answer: Answer) -> dict[str, Any]:
    try:
        received = json.loads(answer.body)
    except ValueError:
        return {}
    return received if isinstance(received, dict) else {}


def _error(answer: Answer) -> dict[str, Any]:
    error = _json(answer).get("error") if answer.status >= 400 else None  # noqa: PLR2004
    return error if isinstance(error, dict) else {}


def _reason(answer: Answer) -> str:
    return str(_error(answer).get("reason", f"HTTP_{answer.status}"))[:80]


def _details(answer: Answer) -> str:
    return str(_error(answer).get("details", "no reason was given"))[:500]


def _hub_time(answer: Answer) -> datetime | None:
    """Return the hub's time to the millisecond, as a receipt and CLOCK_SKEW tell it."""
    told = _json(answer).get("hub_time") or _error(answer).get("hub_time")
    try:
        hub_time = datetime.fromisoformat(str(told))
    except ValueError:
        return None
    return hub_time if hub_time.tzinfo is not None else None


def _retry_after_s(answer: Answer) -> float:
    text = (answer.headers.get("Retry-After") or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), _MAX_RETRY_AFTER_S)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    if until.tzinfo is None:
        return 0.0
    wait_s = (until - datetime.now(UTC)).total_seconds()
    return min(max(wait_s, 0.0), _MAX_RETRY_AFTER_S)
