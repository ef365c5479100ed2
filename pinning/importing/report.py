"""What an import says: each skipped file as a line, progress beside it, a summary at the end."""

import json
import sys
import time
from dataclasses import asdict
from typing import Any, Final

from pinning.importing.files import Skipped
from pinning.importing.importer import Step
from pinning.importing.journal import Counts, Import, shown
from pinning.importing.progress import Progress, duration
from pinning.importing.walking import share_before

_TERMINAL_EVERY_S: Final = 0.5
_LOG_EVERY_S: Final = 30.0


class Report:
    """Writes results to standard output, as lines or as JSON, and progress to standard error."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._live = sys.stderr.isatty()
        self._progress = Progress(Counts())
        self._began = self._shown_at = time.monotonic()

    def begin(self, run: Import) -> None:
        """Say that an import begins or goes on."""
        share = (run.cursor and share_before(run.cursor)) or 0.0
        self._progress = Progress(run.counts, share)
        word = "goes on behind" if run.cursor else "begins"
        place = f" {shown(run.cursor)}" if run.cursor else ""
        self._say(f"import {run.import_id} of {run.tree} for {run.owner} {word}{place}")

    def begin_dry_run(self, tree: str) -> None:
        """Say that a tree is only looked at."""
        self._say(f"{tree} is read and verified; nothing is changed")

    def tell(self, step: Step) -> None:
        """Take a step: its skipped files become lines at once, the rest becomes progress."""
        self._progress.add(step)
        for skipped in step.skipped:
            self.skipped(skipped)
        every_s = _TERMINAL_EVERY_S if self._live else _LOG_EVERY_S
        now = time.monotonic()
        if now - self._shown_at >= every_s:
            self._shown_at = now
            self._say(self._progress.line(), passing=self._live)

    def skipped(self, skipped: Skipped) -> None:
        """Write one skipped file."""
        path = shown(skipped.path)
        if self._as_json:
            self._write_json("skipped", {**asdict(skipped), "path": path})
        else:
            self._clear()
            sys.stdout.write(f"skipped  {skipped.reason}  {path}  {skipped.details}\n")

    def interrupted(self) -> None:
        """Say that what was done stays done."""
        self._say(f"interrupted at {self._progress.line().strip()}; the same command goes on here")

    def end(self, run: Import) -> None:
        """Write what became of the whole import."""
        self._clear()
        self.show(run)
        if not self._as_json:
            took = duration(time.monotonic() - self._began)
            sys.stdout.write(f"this run took {took}\n")
            if run.counts.skipped:
                sys.stdout.write(f"`pinhole imports {run.import_id}` lists the skipped files\n")

    def end_dry_run(self) -> Counts:
        """Write what would become of the tree; return it."""
        self._clear()
        counts = self._progress.counts
        if self._as_json:
            self._write_json("dry_run", asdict(counts))
        else:
            sys.stdout.write(
                f"{counts.imported:,} files ({counts.bytes:,} bytes) can be imported, "
                f"{counts.skipped:,} would be skipped\n"
            )
        return counts

    def show(self, run: Import) -> None:
        """Write one import."""
        if self._as_json:
            self._write_json("import", _fields(run))
            return
        counts = run.counts
        state = f"finished {run.finished_at:%Y-%m-%d %H:%M}" if run.finished_at else "unfinished"
        sys.stdout.write(
            f"{run.import_id}  {state}  {run.owner}  {run.tree}\n"
            f"    {counts.imported:,} imported ({counts.bytes:,} bytes), {counts.known:,} pinned "
            f"before, {counts.skipped:,} skipped\n"
        )

    def _write_json(self, kind: str, value: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps({kind: value}) + "\n")

    def _say(self, line: str, *, passing: bool = False) -> None:
        self._clear()
        sys.stderr.write(line if passing else f"{line}\n")
        sys.stderr.flush()

    def _clear(self) -> None:
        """Take a passing line away."""
        if self._live:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def _fields(run: Import) -> dict[str, Any]:
    return {
        "import_id": str(run.import_id),
        "tree": run.tree,
        "owner": run.owner.text,
        **asdict(run.counts),
        "started_at": run.started_at.isoformat(),
        "finished_at": run.finished_at.isoformat() if run.finished_at else None,
    }
