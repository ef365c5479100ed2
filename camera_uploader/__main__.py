"""`python -m camera_uploader`: one camera, configured by its environment."""

import sys

from camera_uploader.memory import keep_small
from camera_uploader.settings import CameraSettings
from pinhole.contract.errors import PinholeError
from pinhole.runtime import logging


def main() -> int:
    """Return the process's exit status: 0 after a stop, 1 where it could not start."""
    keep_small()
    from camera_uploader.app import run  # noqa: PLC0415 - loads NumPy and OpenCV

    try:
        settings = CameraSettings.from_environment()
        logging.set_up(settings.log_level)
        run(settings)
    except PinholeError as error:
        sys.stderr.write(f"camera: {error.details}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
