"""The learning rate's curve, and the clock it follows."""

from types import SimpleNamespace
from typing import Any

import pytest

from models.trainer import PEAK_RATE, Annealing

HOUR_S = 3600.0


def at(clock_s: float, annealing: Annealing, monkeypatch: pytest.MonkeyPatch) -> tuple[float, bool]:
    """Return the rate at a reading of the processor's clock, and whether training ends."""
    group = {"lr": -1.0}
    trainer: Any = SimpleNamespace(optimizer=SimpleNamespace(param_groups=[group]), stop=False)
    monkeypatch.setattr("models.trainer.time.process_time", lambda: clock_s)
    annealing(trainer)
    return group["lr"], trainer.stop


def test_rate_climbs_falls_to_two_percent_and_then_training_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    annealing = Annealing(hours=1.0, threads=2, peak=PEAK_RATE)
    # Two cores for an hour are two hours of the processor's clock; where it begins is no matter.
    shares = {0.0: 0.0, 0.01: 0.5, 0.02: 1.0, 0.5: 0.51, 0.999: 0.02, 1.0: 0.02}
    for progress, share in shares.items():
        rate, ends = at(7.0 + progress * 2 * HOUR_S, annealing, monkeypatch)
        assert rate == pytest.approx(PEAK_RATE * share, rel=0.01, abs=1e-9)
        assert ends is (progress >= 1.0)


def test_rate_stands_still_while_other_work_has_the_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    annealing = Annealing(hours=1.0, threads=2, peak=PEAK_RATE)
    at(0.0, annealing, monkeypatch)
    before = at(HOUR_S, annealing, monkeypatch)
    assert at(HOUR_S, annealing, monkeypatch) == before
