"""The neighbours over HTTP: pinning and the detector."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import aiohttp
from pydantic import BaseModel, SecretStr, ValidationError

from pinhole.contract.cid import Cid
from pinhole.contract.detection import (
    InferenceAnswer,
    InferenceBatchAnswer,
    InferenceBatchRequest,
    InferenceFailure,
)
from pinhole.contract.errors import NotFound, Refused, Unavailable
from pinhole.contract.owners import OWNER_HEADER, Owner
from pinhole.contract.pins import (
    BatchPin,
    BatchPinRequest,
    BatchPinResult,
    BatchPinResults,
    BlockStored,
    Origin,
    SeenFrame,
    SeenRequest,
)

M = TypeVar("M", bound=BaseModel)

_MAX_ANSWER_BYTES: Final = 16 * 2**20
_SHORT_TIMEOUT_S: Final = 10.0
_ASIDE_TIMEOUT_S: Final = 2.0
"""For a question asked on the side, while frames wait for its answer."""
# Statuses that are about this request; every other failure is about the neighbour, or about us.
_ABOUT_THE_REQUEST: Final = frozenset({400, 409, 410, 413, 415, 422})


class NeighbourUnavailable(Unavailable):
    """A neighbour cannot be reached, is busy, or does not accept our token."""

    reason = "NEIGHBOUR_UNAVAILABLE"


class BrokeOff(NeighbourUnavailable):
    """The neighbour took the request and gave no whole answer: the request may be the cause."""

    reason = "BROKE_OFF"


class RequestRefused(Refused):
    """A neighbour will not do what was asked, whoever asks again; `reason` is its own word."""


class _Neighbour:
    """Calls with a token, bounded in time and size, whose errors are ours."""

    def __init__(
        self, name: str, session: aiohttp.ClientSession, url: str, token: SecretStr | None
    ) -> None:
        self._name = name
        self._session = session
        self._url = url.rstrip("/")
        self._headers = (
            {"Authorization": f"Bearer {token.get_secret_value()}"} if token is not None else {}
        )

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = _SHORT_TIMEOUT_S,
    ) -> bytes:
        """Return the body of a 2xx answer.

        Raises:
            RequestRefused, NotFound: the request is at fault.
            NeighbourUnavailable: it may work later.
            BrokeOff: it may work later, but the request may also be what broke it.
        """
        sent = {"Content-Type": "application/json", **self._headers, **(headers or {})}
        try:
            async with self._session.request(
                method,
                self._url + path,
                data=body,
                headers=sent,
                timeout=aiohttp.ClientTimeout(total=timeout_s, connect=_SHORT_TIMEOUT_S / 2),
                allow_redirects=False,
            ) as response:
                answer = await self._read(response)
        except aiohttp.ClientConnectorError as error:
            raise NeighbourUnavailable(f"{self._name} cannot be reached: {error}") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise BrokeOff(f"{self._name} broke off: {type(error).__name__}: {error}") from error
        if 200 <= response.status < 300:  # noqa: PLR2004 - HTTP's successes
            return answer
        raise self._error(response, answer)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        answer = bytearray()
        async for chunk in response.content.iter_any():
            answer += chunk
            if len(answer) > _MAX_ANSWER_BYTES:
                raise BrokeOff(f"{self._name} answered more than {_MAX_ANSWER_BYTES} bytes")
        return bytes(answer)

    def _error(self, response: aiohttp.ClientResponse, answer: bytes) -> Exception:
        reason, details = _error_of(answer)
        sentence = f"{self._name} answered {response.status} {reason}: {details}"
        if response.status == 404:  # noqa: PLR2004 - HTTP's "not found"
            return NotFound(sentence)
        if response.status in _ABOUT_THE_REQUEST:
            return RequestRefused(sentence, reason=reason)
        retry_after = response.headers.get("Retry-After", "")
        after_s = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 1.0
        return NeighbourUnavailable(sentence, retry_after_s=after_s)

    async def check(self) -> None:
        """Return where the neighbour says that it is well.

        Raises:
            NeighbourUnavailable: it is not, or says nothing.
        """
        try:
            await self.call("GET", "/healthz", timeout_s=_ASIDE_TIMEOUT_S)
        except (NotFound, RequestRefused) as error:
            raise NeighbourUnavailable(error.details) from error

    def read(self, model: type[M], answer: bytes) -> M:
        """Return a neighbour's answer as `model`.

        Raises:
            BrokeOff: it is none.
        """
        try:
            return model.model_validate_json(answer)
        except ValidationError as error:
            raise BrokeOff(f"{self._name} answered what is no {model.__name__}") from error


def _error_of(answer: bytes) -> tuple[str, str]:
    try:
        error: dict[str, Any] = json.loads(answer)["error"]
        return str(error["reason"])[:80], str(error["details"])[:500]
    except (ValueError, KeyError, TypeError):
        return "HTTP_ERROR", answer[:200].decode("utf-8", "replace")


class PinningClient:
    """The pinning service."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: SecretStr | None) -> None:
        self._pinning = _Neighbour("pinning", session, url, token)
        self.check = self._pinning.check

    async def pin(
        self, owner: Owner, pins: Sequence[BatchPin], *, wait_s: float
    ) -> list[BatchPinResult]:
        """Have `pins` of one owner pinned; return after `wait_s` at the latest, one result each."""
        camera = owner.as_camera
        request = BatchPinRequest(
            site=camera[0] if camera else None,
            camera=camera[1] if camera else None,
            pins=list(pins),
        )
        answer = await self._pinning.call(
            "POST",
            f"/pins/batch?wait_s={wait_s:g}",
            body=request.wire(),
            headers={OWNER_HEADER: owner.text},
            timeout_s=wait_s + _SHORT_TIMEOUT_S,
        )
        results = self._pinning.read(BatchPinResults, answer).results
        if len(results) != len(pins):
            raise BrokeOff(f"pinning answered {len(results)} results for {len(pins)} pins")
        return results

    async def put_seen(self, owner: Owner, frames: Sequence[SeenFrame]) -> None:
        """Tell what was seen in pinned frames of one owner, so that policies can decide on it."""
        camera = owner.as_camera
        request = SeenRequest(
            site=camera[0] if camera else None,
            camera=camera[1] if camera else None,
            frames=list(frames),
        )
        await self._pinning.call(
            "POST", "/api/v1/seen", body=request.wire(), headers={OWNER_HEADER: owner.text}
        )

    async def put_block(self, owner: Owner, data: bytes) -> BlockStored:
        """Store bytes that came from `owner`."""
        answer = await self._pinning.call(
            "POST",
            "/api/v1/blocks",
            body=data,
            headers={OWNER_HEADER: owner.text, "Content-Type": "application/octet-stream"},
            timeout_s=3 * _SHORT_TIMEOUT_S,
        )
        return self._pinning.read(BlockStored, answer)

    async def put_origin(self, site: str, camera: str, origin: Origin) -> None:
        """Say where a camera's frames are fetched."""
        await self._pinning.call(
            "PUT", f"/api/v1/origins/{site}/{camera}", body=origin.model_dump_json().encode()
        )

    async def delete_origin(self, site: str, camera: str) -> None:
        """Say that a camera's frames are fetched no more; where it was unknown, that is fine."""
        try:
            await self._pinning.call("DELETE", f"/api/v1/origins/{site}/{camera}")
        except NotFound:
            return


class DetectorClient:
    """The YOLO service."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        token: SecretStr | None,
        *,
        timeout_s: float,
    ) -> None:
        self._detector = _Neighbour("the detector", session, url, token)
        self.check = self._detector.check
        self._timeout_s = timeout_s

    async def infer(self, cids: Sequence[Cid]) -> list[InferenceAnswer | InferenceFailure]:
        """Return what is in each stored frame, in order, by the default model and parameters."""
        answer = await self._detector.call(
            "POST",
            "/api/v1/inference/batch",
            body=InferenceBatchRequest(cids=list(cids)).wire(),
            timeout_s=self._timeout_s,
        )
        results = self._detector.read(InferenceBatchAnswer, answer).results
        if len(results) != len(cids):
            raise BrokeOff(f"the detector answered {len(results)} results for {len(cids)} frames")
        return results

    async def default_model_digest(self) -> bytes:
        """Return the SHA-256 of the model that answers where none is named."""
        answer = await self._detector.call("GET", "/api/v1/models", timeout_s=_ASIDE_TIMEOUT_S)
        try:
            catalogue = json.loads(answer)
            name = catalogue["default"]
            (digest,) = {
                model["digest"]
                for model in catalogue["models"]
                if name in (model["name"], model["digest"])
            }
            return bytes.fromhex(digest)
        except (ValueError, KeyError, TypeError) as error:
            raise BrokeOff("the detector's catalogue names no default model") from error
