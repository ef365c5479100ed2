"""The models in memory: loaded when first asked for, the longest unused one dropped."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from yolo_fetcher.detector import Detector
from yolo_fetcher.models import ExportedModel, find, read, scan

Load = Callable[[ExportedModel], Detector]
"""Returns a detector for a model; blocks for as long as that takes."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model and the detector that runs it."""

    model: ExportedModel
    detector: Detector


class LoadedModels:
    """The catalogue of a directory, and up to `keep` detectors of it."""

    def __init__(self, directory: Path, default: str, load: Load, keep: int) -> None:
        self._directory = directory
        self._default = default
        self._load = load
        self._keep = keep
        self._catalogue: list[ExportedModel] = []
        self._changed_ns: int | None = None
        self._loaded: OrderedDict[str, LoadedModel] = OrderedDict()
        self._loading = asyncio.Lock()

    async def get(self, wanted: str | None) -> LoadedModel:
        """Return the model called `wanted` (name or digest; None is the default), loaded.

        Raises:
            ModelUnknown: it is not in the catalogue.
            ModelRefused: it is, and cannot be run.
        """
        name = wanted or self._default
        loaded = self._find_loaded(name)
        if loaded is not None:
            return loaded
        async with self._loading:
            loaded = self._find_loaded(name)
            if loaded is None:
                folder = find(await self._current(), name).folder
                loaded = await asyncio.to_thread(self._open, folder)
                self._loaded[loaded.model.id.digest] = loaded
                if len(self._loaded) > self._keep:
                    self._loaded.popitem(last=False)
            return loaded

    async def catalogue(self) -> list[ExportedModel]:
        """Return every model that can be asked for, as the directory is now."""
        async with self._loading:
            return await self._current()

    def runs_on(self, model: ExportedModel) -> str | None:
        """Return the device and arithmetic of `model`, or None where it is not loaded."""
        loaded = self._loaded.get(model.id.digest)
        return None if loaded is None else loaded.detector.traits.runs_on

    def _find_loaded(self, name: str) -> LoadedModel | None:
        for digest, loaded in reversed(self._loaded.items()):
            if loaded.model.is_called(name):
                self._loaded.move_to_end(digest)
                return loaded
        return None

    def _open(self, folder: Path) -> LoadedModel:
        # Read again: the digest told to callers is that of the files loaded now.
        model = read(folder)
        return LoadedModel(model, self._load(model))

    async def _current(self) -> list[ExportedModel]:
        """Return the catalogue, read again when a folder came or went."""
        changed_ns = await asyncio.to_thread(_changed_ns, self._directory)
        if changed_ns != self._changed_ns:
            self._catalogue = await asyncio.to_thread(scan, self._directory)
            self._changed_ns = changed_ns
        return self._catalogue


def _changed_ns(directory: Path) -> int:
    try:
        return directory.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
