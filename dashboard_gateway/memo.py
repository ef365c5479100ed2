"""The inference memo: same bytes, same model, same parameters, same detections.

It is asked before the detector is. A camera that shows a still scene, a frame sent again, a job
repeated after a crash: none of them costs a second inference.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import rfc8785

from dashboard_gateway.clients import DetectorClient, NeighbourUnavailable
from pinhole.contract.cid import Cid
from pinhole.contract.detection import InferenceAnswer, InferenceOptions
from pinhole.contract.errors import NotFound
from pinhole.runtime.postgres import Connection, Pool

MODEL_BELIEVED_S: Final = 15.0
"""How long the detector's default model is taken for the same."""

_PARTS: Final = ("detections", "width_px", "height_px", "model")


def options_digest(options: InferenceOptions) -> bytes:
    """Return the key of the parameters that change what is detected."""
    # Which model is a key of its own, and a drawn picture changes no detection.
    parameters = options.model_dump(mode="json", exclude={"model", "annotated"})
    return hashlib.sha256(rfc8785.dumps(parameters)).digest()


DEFAULT_OPTIONS_DIGEST: Final = options_digest(InferenceOptions())

FIND = """
    SELECT i.digest, i.answer FROM dashboard.inferences AS i
    WHERE i.digest = ANY ($1) AND i.model_digest = $2 AND i.options_digest = $3
"""


class Memo:
    """Looks up what the detector's default model answered before."""

    def __init__(self, pool: Pool, detector: DetectorClient) -> None:
        self._pool = pool
        self._detector = detector
        self._model_digest: bytes | None = None
        self._asked_at = -MODEL_BELIEVED_S

    async def find(self, cids: Sequence[Cid]) -> list[InferenceAnswer | None]:
        """Return what is known of each frame; nothing while the model is not known."""
        model_digest = await self._model()
        if model_digest is None:
            return [None] * len(cids)
        digests = [cid.digest for cid in cids]
        rows = await self._pool.fetch(FIND, digests, model_digest, DEFAULT_OPTIONS_DIGEST)
        known = {bytes(row["digest"]): row["answer"] for row in rows}
        return [_answer(cid, known.get(cid.digest)) for cid in cids]

    def learn(self, answer: InferenceAnswer) -> None:
        """Take note of the model that has just answered."""
        self._model_digest = bytes.fromhex(answer.model.digest)
        self._asked_at = time.monotonic()

    async def _model(self) -> bytes | None:
        if time.monotonic() - self._asked_at >= MODEL_BELIEVED_S:
            try:
                self._model_digest = await self._detector.default_model_digest()
            except (NeighbourUnavailable, NotFound):
                # The inference itself will say what is wrong; its answer names the model.
                self._model_digest = None
            self._asked_at = time.monotonic()
        return self._model_digest


def _answer(cid: Cid, known: dict[str, Any] | None) -> InferenceAnswer | None:
    if known is None:
        return None
    return InferenceAnswer(**known, timings_ms={}, cid=cid, storage_mode="reference", cached=True)


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer that is to be remembered."""

    cid: Cid
    answer: InferenceAnswer


REMEMBER = """
    INSERT INTO dashboard.inferences (digest, model_digest, options_digest, answer)
    SELECT digest, model_digest, $3, answer::jsonb
    FROM unnest($1::bytea[], $2::bytea[], $4::text[]) AS given (digest, model_digest, answer)
    ON CONFLICT DO NOTHING
"""


async def remember(connection: Connection, entries: Sequence[Entry]) -> None:
    """Write what the detector answered, in the transaction that records it."""
    fresh = sorted(
        (entry for entry in entries if not entry.answer.cached), key=lambda entry: entry.cid.digest
    )
    if fresh:
        await connection.execute(
            REMEMBER,
            [entry.cid.digest for entry in fresh],
            [bytes.fromhex(entry.answer.model.digest) for entry in fresh],
            DEFAULT_OPTIONS_DIGEST,
            [entry.answer.model_dump_json(include=set(_PARTS)) for entry in fresh],
        )
