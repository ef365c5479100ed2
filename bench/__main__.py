"""`python -m bench`: every row family, or those that one names.

python -m bench                     all, a quarter of an hour and more, saved in bench/results
python -m bench --only ingest       one family; nothing is saved unless --save says where
python -m bench --quick             a minute: whether everything runs, not how fast it is
"""

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

from bench import (
    gateway,
    importing,
    ingest,
    messages,
    pinned,
    pins,
    pipeline,
    policies,
    reconcile,
    release,
    report,
    shutter,
)
from bench.figure import Figure
from bench.machine import Machine
from bench.scale import QUICK, USUAL, Scale
from bench.stage import Say, Stage

RESULTS = Path(__file__).parent / "results"

# Load average of the last minute, on any number of cores, below which nobody else is at work.
QUIET_LOAD = 0.5

Measure = Callable[[Stage, Scale], list[Figure]]

# In the order of a frame's way.
FAMILIES: Mapping[str, Measure] = {
    "ingest": ingest.measure,
    "pinned": pinned.measure,
    "shutter": shutter.measure,
    "pipeline": pipeline.measure,
    "gateway": gateway.measure,
    "messages": messages.measure,
    "import": importing.measure,
    "release": release.measure,
    "reconcile": reconcile.measure,
    "policies": policies.measure,
    "pins": pins.measure,
}


def main() -> int:
    """Measure, print, save; 1 where something could not be measured or a budget is not met."""
    arguments = _parser().parse_args()
    scale = QUICK if arguments.quick else USUAL
    machine = Machine.here()
    if machine.load_before > QUIET_LOAD:
        sys.stderr.write(f"others are at work here: load average {machine.load_before}\n")
    measured: dict[str, list[Figure]] = {}
    with tempfile.TemporaryDirectory(prefix="pinhole-bench-") as home:
        for name in arguments.only or FAMILIES:
            # A stage of its own: what one family left in the tables does not slow the next.
            measured[name] = _family(name, Path(home) / name, scale)
    where = arguments.save or (None if arguments.only or arguments.quick else RESULTS)
    if where is not None:
        for path in report.save(where, machine, measured):
            sys.stdout.write(f"saved {path}\n")
    figures = [figure for family in measured.values() for figure in family]
    good = all(measured.values()) and all(figure.met is not False for figure in figures)
    return 0 if good else 1


def _family(name: str, home: Path, scale: Scale) -> list[Figure]:
    """Return a family's figures; none where it could not be measured."""
    sys.stdout.write(f"{name}\n")
    sys.stdout.flush()
    began = time.monotonic()
    try:
        with Stage(home, Say()) as stage:
            figures = FAMILIES[name](stage, scale)
    except Exception:  # noqa: BLE001 - the other families are worth their minutes
        traceback.print_exc()
        sys.stdout.write(f"    {name} could not be measured\n")
        return []
    for figure in figures:
        sys.stdout.write(f"    {report.line_of(figure)}\n")
    sys.stdout.write(f"    ({time.monotonic() - began:.0f} s)\n")
    sys.stdout.flush()
    return figures


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure Pinhole beside its floors, in one run."
    )
    parser.add_argument("--only", action="append", choices=list(FAMILIES), help="a row family")
    parser.add_argument("--quick", action="store_true", help="short: to see that it works")
    parser.add_argument("--save", type=Path, metavar="DIR", help="where table and JSON go")
    return parser


if __name__ == "__main__":
    sys.exit(main())
