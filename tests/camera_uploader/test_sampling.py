"""Which pictures of a source are kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_uploader.sampling import Sampler


def _kept(fps: float, times: list[float]) -> list[float]:
    sampler = Sampler(fps)
    return [at_s for at_s in times if sampler.keeps(at_s)]


@pytest.mark.parametrize("source_fps", [5, 7, 12.5, 25, 29.97, 60])
def test_the_mean_rate_is_exact_whatever_the_source_delivers(source_fps: float) -> None:
    times = [number / source_fps for number in range(int(60 * source_fps))]

    assert len(_kept(5, times)) == pytest.approx(300, abs=1)


# The first picture sets the slots, so two pictures may be 0.098 s apart from them: half a slot.
@given(st.lists(st.floats(-0.049, 0.049), min_size=50, max_size=50))
def test_a_source_of_the_same_rate_with_jitter_loses_nothing(jitter_s: list[float]) -> None:
    times = [number / 5 + jitter for number, jitter in enumerate(jitter_s)]

    assert _kept(5, times) == times


def test_a_slower_source_is_kept_whole() -> None:
    times = [number * 0.7 for number in range(20)]

    assert _kept(5, times) == times


def test_a_gap_is_not_followed_by_a_burst() -> None:
    after = [100 + number / 25 for number in range(25)]

    assert _kept(2, [0.0, *after]) == [0.0, 100.0, 100.28, 100.76]


def test_a_clock_that_is_set_back_does_not_stop_the_pictures() -> None:
    assert _kept(2, [1000.0, 1000.5, 3.0, 3.5]) == [1000.0, 1000.5, 3.0, 3.5]
