"""`python -m bench.alone DIR`: decode and model without anything around them.

The same reduced decoding, the same model, the same cores as the pipeline: every thread takes a JPEG
of the directory, decodes it to the model's input and runs the model, until none is left.
"""

import json
import sys
import time
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

    with ThreadPoolExecutor(detector.traits.lanes) as threads:
        warm_up = pictures[: len(pictures) // 10]
        list(threads.map(one, warm_up))
        began = time.perf_counter()
        boxes = sum(threads.map(one, pictures))
        seconds = time.perf_counter() - began
    json.dump({"pictures": len(pictures), "seconds": seconds, "boxes": boxes}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
