"""Figures, budgets and the report that is made of them."""

import json
from pathlib import Path

import pytest

from bench import report
from bench.figure import Figure, at_least, at_most, percentile, ratio_at_least, spread
from bench.machine import Machine


def figure(value: float, **rest: object) -> Figure:
    return Figure(name="one", value=value, unit="events/s", source="here to there", **rest)  # type: ignore[arg-type]


FLOOR = figure(1000)


@pytest.mark.parametrize(
    ("measured", "met"),
    [
        (figure(100), None),
        (figure(100, budgets=[at_least(100)]), True),
        (figure(99, budgets=[at_least(100)]), False),
        (figure(30, budgets=[at_most(30)]), True),
        (figure(31, budgets=[at_most(30)]), False),
        (figure(150, beside=FLOOR, budgets=[ratio_at_least(0.15)]), True),
        (figure(149, beside=FLOOR, budgets=[ratio_at_least(0.15)]), False),
        (figure(150, budgets=[ratio_at_least(0.15)]), False),
        (figure(150, beside=FLOOR, budgets=[ratio_at_least(0.15), at_least(200)]), False),
    ],
)
def test_a_budget_is_met_by_the_value_or_by_the_ratio(measured: Figure, met: bool | None) -> None:
    assert measured.met is met


def test_percentiles_are_values_that_were_measured() -> None:
    values = [number / 1000 for number in range(1, 101)]
    assert percentile(values, 50) == 0.050
    assert percentile(values, 99) == 0.099
    assert percentile([0.007], 99) == 0.007
    assert spread(values)["p95_ms"] == 95.0


def test_the_report_names_value_floor_ratio_budget_and_verdict(tmp_path: Path) -> None:
    rows = [FLOOR, figure(120, beside=FLOOR, budgets=[ratio_at_least(0.15)])]
    table, numbers = report.save(tmp_path, Machine.here(), {"ingest": rows})
    line = next(line for line in table.read_text().splitlines() if "0.12" in line)
    assert line == "| one | 120 events/s |  |  |  | one | 0.12 | ≥ 0.15x | **no** |"
    saved = json.loads(numbers.read_text())
    assert saved["families"]["ingest"][1]["met"] is False
    assert saved["families"]["ingest"][1]["ratio"] == 0.12
    assert saved["machine"]["cores"] >= 1
