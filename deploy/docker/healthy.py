"""A container's health check: end with 0 where this service says that it is healthy.

The answer's body names the part that stands still; `docker inspect` shows it.
"""

import os
import sys
import urllib.error
import urllib.request

TIMEOUT_S = 4.0  # below the check's own timeout of 5 s, so that the reason is still written


def main() -> int:
    """Ask `/healthz` of this container's service and print what it answers."""
    url = f"http://127.0.0.1:{os.environ['PINHOLE_HEALTH_PORT']}/healthz"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            sys.stdout.write(answer.read(2000).decode())
            return 0
    except urllib.error.HTTPError as error:
        sys.stdout.write(error.read(2000).decode())
    except OSError as error:
        sys.stdout.write(f"{url}: {error}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
