"""Binary mode's storage: pinning keeps the raw bytes; this service only hands them over."""

import io
import logging
import time
from typing import Final

import aiohttp
from pydantic import ValidationError

from pinhole.contract.errors import Unavailable
from pinhole.contract.owners import OWNER_HEADER, Owner
from pinhole.contract.pins import BlockStored
from yolo_fetcher.metrics import STAGE_SECONDS

logger = logging.getLogger(__name__)

_MAX_ANSWER_BYTES: Final = 4096


class StorageFailed(Unavailable):
    """The bytes were not stored, or not provably; the detections are valid all the same."""

    reason = "STORAGE_FAILED"


class BlockStore:
    """Pinning's `POST /api/v1/blocks`."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, token: str, *, timeout_s: float
    ) -> None:
        self._session = session
        self._url = url.rstrip("/") + "/api/v1/blocks"
        self._authorization = f"Bearer {token}"
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def store(self, data: bytes, sha256: str, owner: Owner) -> BlockStored:
        """Store `data`, whose SHA-256 is given in hexadecimal, bound to `owner`.

        Raises:
            StorageFailed: for whatever reason; the sentence tells it.
        """
        started = time.perf_counter()
        try:
            async with self._session.post(
                self._url,
                data=io.BytesIO(data),
                headers={
                    "Authorization": self._authorization,
                    "Content-Type": "application/octet-stream",
                    OWNER_HEADER: str(owner),
                },
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                answer = await response.content.read(_MAX_ANSWER_BYTES)
                status = response.status
        except TimeoutError as error:
            raise StorageFailed(f"no answer within {self._timeout.total:g} s") from error
        except aiohttp.ClientError as error:
            # The caller of the API learns no addresses; the log has them.
            logger.warning("%s: %s: %s", self._url, type(error).__name__, error)
            raise StorageFailed("the pinning service could not be reached") from error
        STAGE_SECONDS.labels("store").observe(time.perf_counter() - started)
        return _verified(status, answer, sha256)


def _verified(status: int, answer: bytes, sha256: str) -> BlockStored:
    if status not in (200, 201):
        logger.warning("storing was refused: %s", answer[:200].decode(errors="replace"))
        raise StorageFailed(f"the pinning service answered with status {status}")
    try:
        stored = BlockStored.model_validate_json(answer)
    except ValidationError as error:
        raise StorageFailed("the answer is no receipt of a stored block") from error
    # Small pictures are one block whose CID is the hash; a larger one's tree carries the hash.
    if stored.sha256 != sha256 or (stored.cid.is_frame and stored.cid.sha256 != sha256):
        raise StorageFailed(f"other bytes were stored: {stored.sha256} instead of {sha256}")
    return stored
