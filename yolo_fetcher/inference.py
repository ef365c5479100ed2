"""One picture's way through the detector: fetch it (or take it), decode, infer, answer."""

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from pinhole.contract.cid import Cid
from pinhole.contract.detection import (
    InferenceAnswer,
    InferenceBatchAnswer,
    InferenceFailure,
    InferenceOptions,
)
from pinhole.contract.errors import DeadlineExceeded, PinholeError, Unavailable
from pinhole.contract.owners import Owner
from yolo_fetcher.annotate import annotated
from yolo_fetcher.answer import Asked, Seen
from yolo_fetcher.batcher import Batcher, Inferred
from yolo_fetcher.decode import Limits, Prepared, prepare
from yolo_fetcher.fetch import Frames
from yolo_fetcher.loaded import LoadedModels
from yolo_fetcher.metrics import PICTURES, STAGE_SECONDS
from yolo_fetcher.storage import BlockStore, StorageFailed

logger = logging.getLogger(__name__)


class Inference:
    """The service without HTTP."""

    def __init__(
        self,
        models: LoadedModels,
        batcher: Batcher,
        frames: Frames,
        store: BlockStore | None,
        decoders: Executor,
        *,
        limits: Limits,
        deadline_s: float,
    ) -> None:
        """Decode in the threads of `decoders`; keep uploads in `store`, if there is one."""
        self._models = models
        self._batcher = batcher
        self._frames = frames
        self._store = store
        self._decoders = decoders
        self._limits = limits
        self._deadline_s = deadline_s

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold room for one picture while the deadline runs, from before its bytes are read.

        Raises:
            Busy: there is no room.
            DeadlineExceeded: what is done inside took too long.
        """
        with self._batcher.admit(1), _counted():
            async with self._deadline():
                yield

    async def of_frame(self, cid: Cid, options: InferenceOptions) -> InferenceAnswer:
        """Return what is in the stored frame `cid` (reference mode), inside a `turn`.

        Raises:
            PinholeError: of fetching, decoding or the model.
        """
        return await self._frame(cid, await self._asked(options))

    async def of_frames(
        self, cids: Sequence[Cid], options: InferenceOptions
    ) -> InferenceBatchAnswer:
        """Return what is in each stored frame, in order; one's error does not spoil the others.

        Raises:
            Busy: there is no room for all of them; none was begun.
            ModelUnknown, ModelRefused, DeadlineExceeded: there is no model for any of them.
        """
        different = list(dict.fromkeys(cids))
        with self._batcher.admit(len(different)):
            async with self._deadline():
                asked = await self._asked(options)
            async with asyncio.TaskGroup() as group:
                tasks = {
                    cid: group.create_task(self._frame_or_failure(cid, asked)) for cid in different
                }
        return InferenceBatchAnswer(results=[tasks[cid].result() for cid in cids])

    async def of_upload(
        self, data: bytes, options: InferenceOptions, owner: Owner
    ) -> InferenceAnswer:
        """Return what is in the picture `data` and keep its bytes for `owner`, inside a `turn`.

        A picture that cannot be decoded is not kept. One that cannot be kept is answered all the
        same, with `image_hash` null and a warning (binary mode).

        Raises:
            PinholeError: of decoding or the model.
        """
        asked = await self._asked(options)
        prepared, decode_s = await self._decode(data, asked)
        kept, inferred = await asyncio.gather(self._keep(data, owner), self._infer(prepared, asked))
        seen = Seen(data, prepared.placement, inferred, decode_s)
        return await self._answer(seen, asked, storage_mode="binary", **kept)

    async def _asked(self, options: InferenceOptions) -> Asked:
        return Asked(options, await self._models.get(options.model))

    async def _frame_or_failure(self, cid: Cid, asked: Asked) -> InferenceAnswer | InferenceFailure:
        try:
            with _counted():
                async with self._deadline():
                    return await self._frame(cid, asked)
        except PinholeError as error:
            return InferenceFailure(
                cid=cid,
                reason=error.reason,
                details=error.details,
                retryable=isinstance(error, Unavailable),
            )

    async def _frame(self, cid: Cid, asked: Asked) -> InferenceAnswer:
        fetched = await self._frames.fetch(cid)
        prepared, decode_s = await self._decode(fetched.data, asked)
        inferred = await self._infer(prepared, asked)
        seen = Seen(fetched.data, prepared.placement, inferred, decode_s, fetched.seconds)
        return await self._answer(seen, asked, storage_mode="reference", **_named(cid))

    async def _decode(self, data: bytes, asked: Asked) -> tuple[Prepared, float]:
        prepared, seconds = await asyncio.get_running_loop().run_in_executor(
            self._decoders, _prepare, data, self._limits, asked.input_hw
        )
        STAGE_SECONDS.labels("decode").observe(seconds)
        return prepared, seconds

    async def _infer(self, prepared: Prepared, asked: Asked) -> Inferred:
        options = asked.options
        return await self._batcher.infer(
            asked.loaded.detector, prepared.pixels, options.confidence, options.iou
        )

    async def _keep(self, data: bytes, owner: Owner) -> dict[str, Any]:
        """Return the answer's fields about storage; a failure is one of them, not an error."""
        if self._store is None:
            return {"image_hash": None, "warning": "not stored: storage is not set up here"}
        sha256 = await asyncio.get_running_loop().run_in_executor(self._decoders, _sha256, data)
        try:
            stored = await self._store.store(data, sha256, owner)
        except StorageFailed as error:
            logger.warning("an upload of %s was not stored: %s", owner, error.details)
            return {"image_hash": None, "warning": f"not stored: {error.details}"}
        return {**_named(stored.cid), "image_hash": sha256, "duplicate": stored.duplicate}

    async def _answer(
        self,
        seen: Seen,
        asked: Asked,
        **storage: Any,  # noqa: ANN401 - the contract's model checks the fields
    ) -> InferenceAnswer:
        detections = seen.detections(asked)
        if asked.options.annotated:
            storage["annotated"] = await asyncio.get_running_loop().run_in_executor(
                self._decoders, annotated, seen.data, self._limits, detections
            )
        return InferenceAnswer(
            detections=detections,
            width_px=seen.placement.width_px,
            height_px=seen.placement.height_px,
            model=asked.loaded.model.id,
            timings_ms=seen.timings_ms,
            cached=False,  # the memo is the dashboard's (blueprint, invariant 10)
            **storage,
        )

    @asynccontextmanager
    async def _deadline(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._deadline_s):
                yield
        except TimeoutError as error:
            raise DeadlineExceeded(f"no detections within {self._deadline_s:g} s") from error


def _named(cid: Cid) -> dict[str, Any]:
    return {"cid": cid, "image_hash": cid.sha256, "image_path": f"ipfs://{cid}"}


def _prepare(data: bytes, limits: Limits, input_hw: tuple[int, int]) -> tuple[Prepared, float]:
    started = time.perf_counter()
    return prepare(data, limits, input_hw), time.perf_counter() - started


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def _counted() -> Iterator[None]:
    """Count the picture by how it ended."""
    outcome = "ABORTED"
    try:
        yield
        outcome = "detected"
    except PinholeError as error:
        outcome = error.reason
        raise
    finally:
        PICTURES.labels(outcome).inc()
