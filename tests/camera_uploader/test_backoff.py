"""Pauses between two tries."""

from camera_uploader.backoff import Backoff


def test_pauses_grow_to_their_limit_and_begin_anew_after_a_success() -> None:
    backoff = Backoff(first_s=0.5, max_s=30)

    ceilings = [0.5, 1, 2, 4, 8, 16, 30, 30]
    pauses = [backoff.pause_s() for _ in ceilings]
    assert all(c / 10 <= p <= c for p, c in zip(pauses, ceilings, strict=True))

    backoff.succeeded()
    assert backoff.pause_s() <= 0.5


def test_a_pause_is_never_shorter_than_what_the_hub_asked_for() -> None:
    assert Backoff(first_s=0.5).pause_s(at_least_s=60) == 60


def test_two_cameras_do_not_return_at_the_same_moment() -> None:
    pauses = {Backoff(first_s=10).pause_s() for _ in range(20)}

    assert len(pauses) > 10


def test_years_of_failures_do_not_overflow() -> None:
    backoff = Backoff()
    for _ in range(5000):
        assert backoff.pause_s() <= 30
