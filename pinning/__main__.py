"""`python -m pinning`: bring the tables up to date, then serve."""

import sys

from pinhole.contract.errors import PinholeError
from pinhole.runtime.migrations import migrate
from pinhole.runtime.service import run
from pinning.app import make_app
from pinning.settings import PinningSettings


def main() -> None:
    """Run the service as its environment says."""
    try:
        settings = PinningSettings.load()
    except PinholeError as error:
        sys.exit(f"{error.reason}: {error.details}")
    dsn = settings.postgres_dsn.get_secret_value()
    migrate(dsn, "pinhole.runtime.access", "access")
    migrate(dsn, "pinning.migrations", "pinning")
    run(make_app, settings)


if __name__ == "__main__":
    main()
