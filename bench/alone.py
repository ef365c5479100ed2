"""`python -m bench.alone DIR`: decode and model without anything around them.

The same reduced decoding, the same model, the same cores as the pipeline: every thread takes a JPEG
of the directory, decodes it to the model's input and runs the model, until none is left. Tried with
one thread, one a lane and one a core; the fastest counts.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2

from yolo_fetcher.decode import Limits, prepare
from yolo_fetcher.detectors import load
from yolo_fetcher.models import find, scan
from yolo_fetcher.settings import YoloSettings


def main(directory: str) -> None:
    """Print how many pictures took how many seconds."""
    settings = YoloSettings.load()
    detector = load(settings, find(scan(settings.models_dir), settings.model))
    limits = Limits(settings.max_upload_bytes, settings.max_pixels)
    pictures = [path.read_bytes() for path in sorted(Path(directory).glob("*.jpg"))]
    cv2.setNumThreads(1)

    def one(data: bytes) -> int:
        prepared = prepare(data, limits, detector.traits.input_hw)
        return len(detector.detect([prepared.pixels], 0.25, 0.7)[0])

    list(map(one, pictures[: len(pictures) // 10]))
    # A thread a lane keeps every stream of the model busy, one a core waits less for a core: which
    # is faster depends on who else is at work. The floor is the better one.
    tried = [
        _timed(number, one, pictures)
        for number in sorted({1, detector.traits.lanes, os.cpu_count() or 1})
    ]
    best = min(tried, key=lambda took: took["seconds"])
    json.dump({"pictures": len(pictures), **best}, sys.stdout)


def _timed(
    threads: int, one: Callable[[bytes], int], pictures: Sequence[bytes]
) -> dict[str, float]:
    with ThreadPoolExecutor(threads) as pool:
        began = time.perf_counter()
        boxes = sum(pool.map(one, pictures))
        return {"seconds": time.perf_counter() - began, "boxes": boxes, "threads": threads}


if __name__ == "__main__":
    main(sys.argv[1])
