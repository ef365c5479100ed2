"""`python -m tests.yolo_fetcher.first_use FOLDER`: four threads use a model just loaded, at once.

In a process of its own: OpenVINO's binding deadlocks, if at all, at its first use in a process.
"""

import sys
from pathlib import Path
from threading import Barrier, Thread

import numpy as np

from yolo_fetcher.detector import Precision
from yolo_fetcher.detectors.openvino_backend import OpenvinoDetector
from yolo_fetcher.models import read

THREADS = 4


def main(folder: str) -> None:
    """Return once every thread has its answer."""
    detector = OpenvinoDetector(read(Path(folder)), Precision.F32, threads=1)
    picture = np.zeros((*detector.traits.input_hw, 3), np.uint8)
    together = Barrier(THREADS)

    def use() -> None:
        together.wait()
        detector.detect([picture], 0.25, 0.7)

    # Threads change as often as can be: so 3 of 12 processes hung before the model was run once
    # while loading.
    sys.setswitchinterval(1e-6)
    threads = [Thread(target=use) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(sys.argv[1])
