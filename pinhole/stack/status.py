"""The table that `pinhole status` prints."""

from datetime import UTC, datetime

from pinhole.stack import health
from pinhole.stack.processes import Standing
from pinhole.stack.run_state import RunState

_COLUMNS = ("PART", "STATE", "PID", "SINCE", "RESTARTS", "HEALTH")


def table(state: RunState) -> str:
    """Return one line a part: what it does, since when, and what it says of its health."""
    rows = [_COLUMNS]
    rows += [_row(standing, state.health_urls.get(standing.name)) for standing in state.programs]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _row(standing: Standing, health_url: str | None) -> tuple[str, str, str, str, str, str]:
    seconds = int((datetime.now(UTC) - standing.since).total_seconds())
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    well = "" if health_url is None else health.problem(health_url) or "ok"
    return (
        standing.name,
        standing.state,
        str(standing.pid or "-"),
        f"{hours}:{minutes:02}:{seconds:02}",
        str(standing.restarts),
        well,
    )
