"""The figures as a table for people and as JSON for comparisons."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.figure import Budget, Figure
from bench.machine import Machine

Families = Mapping[str, Sequence[Figure]]

_HEAD = """\
# Measured

`make bench` wrote this on {day}, in one run.

| processor | cores | memory | Linux | Python | Kubo | load average before |
|---|---|---|---|---|---|---|
| {processor} | {cores} | {memory_gb} GB | {kernel} | {python} | {kubo} | {load_before} |

A figure stands beside its floor or peer, measured in the same run on the same machine; a budget is
met by that ratio or by the value itself. The load generator (`bench/load.py`) runs on the same
cores as what it loads.
"""


def as_json(machine: Machine, families: Families, at: datetime) -> dict[str, Any]:
    """Return everything that was measured."""
    return {
        "at": at.isoformat(timespec="seconds"),
        "machine": machine.as_json(),
        "families": {
            name: [_row(figure) for figure in figures] for name, figures in families.items()
        },
    }


def as_markdown(machine: Machine, families: Families, at: datetime) -> str:
    """Return the document."""
    parts = [_HEAD.format(day=f"{at:%Y-%m-%d}", **machine.as_json())]
    for name, figures in families.items():
        parts.append(f"\n## {name}\n\n")
        if not figures:
            parts.append("Could not be measured in this run.\n")
            continue
        parts.append("| | value | p50 | p99 | server's cpu | beside | ratio | budget | met |\n")
        parts.append("|---|--:|--:|--:|--:|---|--:|---|---|\n")
        parts += [f"{_line(figure)}\n" for figure in figures]
        parts.append("\n" + "\n".join(f"- {figure.name}: {figure.source}." for figure in figures))
        parts.append("\n")
    return "".join(parts)


def save(directory: Path, machine: Machine, families: Families) -> list[Path]:
    """Write both; return where."""
    at = datetime.now(UTC)
    directory.mkdir(parents=True, exist_ok=True)
    table, numbers = directory / "README.md", directory / "figures.json"
    table.write_text(as_markdown(machine, families, at), encoding="utf-8")
    text = json.dumps(as_json(machine, families, at), indent=1, ensure_ascii=False)
    numbers.write_text(text + "\n", encoding="utf-8")
    return [table, numbers]


def line_of(figure: Figure) -> str:
    """Return one figure on one line, for the terminal."""
    ratio = (
        f"  {figure.ratio:.3g}x of {figure.beside.name}" if figure.beside and figure.ratio else ""
    )
    p50 = _milliseconds(figure, "p50_ms")
    of_each = f"  p50 {p50}" if p50 else ""
    value = f"{shown(figure.value)} {figure.unit}"
    return f"{figure.name}: {value}{of_each}{ratio}{_verdict(figure)}"


def shown(value: float) -> str:
    """Return a number with as many digits as mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _verdict(figure: Figure) -> str:
    if figure.met is None:
        return ""
    budgets = ", ".join(_budget(budget, figure) for budget in figure.budgets)
    return f"  [{'met' if figure.met else 'NOT MET'}: {budgets}]"


def _line(figure: Figure) -> str:
    met = {None: "", True: "yes", False: "**no**"}[figure.met]
    cells = (
        figure.name,
        f"{shown(figure.value)} {figure.unit}",
        _milliseconds(figure, "p50_ms"),
        _milliseconds(figure, "p99_ms"),
        _microseconds(figure),
        figure.beside.name if figure.beside is not None else "",
        f"{figure.ratio:.3g}" if figure.ratio is not None else "",
        ", ".join(_budget(budget, figure) for budget in figure.budgets),
        met,
    )
    return f"| {' | '.join(cells)} |"


def _milliseconds(figure: Figure, name: str) -> str:
    value = figure.details.get(name)
    return f"{shown(value)} ms" if value is not None else ""


def _microseconds(figure: Figure) -> str:
    value = figure.details.get("cpu_us")
    return f"{shown(value)} µs each" if value is not None else ""


def _budget(budget: Budget, figure: Figure) -> str:
    if budget.of_ratio:
        return f"{budget.sense} {budget.limit:g}x"
    return f"{budget.sense} {shown(budget.limit)} {figure.unit}"


def _row(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name,
        "value": round(figure.value, 3),
        "unit": figure.unit,
        "source": figure.source,
        "beside": figure.beside.name if figure.beside is not None else None,
        "ratio": round(figure.ratio, 3) if figure.ratio is not None else None,
        "budgets": [_budget(budget, figure) for budget in figure.budgets],
        "met": figure.met,
        "details": figure.details,
    }
