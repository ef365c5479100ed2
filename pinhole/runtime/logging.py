"""Logging: one line a record, to standard error; never image bytes, never secrets."""

import logging
import sys
from datetime import UTC, datetime


class LineFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.123Z INFO pinning.fetch: sentence`."""

    def formatTime(  # noqa: N802 - the name is logging's
        self,
        record: logging.LogRecord,
        datefmt: str | None = None,
    ) -> str:
        """Return the record's instant in UTC with milliseconds."""
        del datefmt
        instant = datetime.fromtimestamp(record.created, UTC)
        return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def set_up(level: str) -> None:
    """Send records of `level` and above to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # One line a request is the proxy's business; the metrics count them here.
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
