"""What a camera does not need."""

import subprocess
import sys

_FOREIGN = ("torch", "openvino", "ultralytics", "aiohttp", "asyncpg", "uvloop", "PIL", "matplotlib")


def test_a_camera_loads_nothing_of_the_centre_or_of_the_detector() -> None:
    program = (
        "import sys, camera_uploader.app, camera_uploader.commands; "
        f"print(*(name for name in {_FOREIGN!r} if name in sys.modules))"
    )

    result = subprocess.run(
        (sys.executable, "-c", program), check=True, capture_output=True, text=True
    )

    assert result.stdout.split() == []
