"""`python -m yolo_fetcher`: serve until told to stop, configured by the environment only."""

import sys

from pinhole.runtime.service import run
from pinhole.runtime.settings import BadSettings
from yolo_fetcher.app import make_app
from yolo_fetcher.settings import YoloSettings


def main() -> None:
    """Start the detector."""
    try:
        settings = YoloSettings.load()
    except BadSettings as error:
        sys.exit(f"{error.reason}: {error.details}")
    run(make_app, settings)


if __name__ == "__main__":
    main()
