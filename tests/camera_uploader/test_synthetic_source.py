"""Rendered scenes as a source."""

import threading
import time

from camera_uploader.sources.synthetic import SyntheticSource
from tests.camera_uploader.edge import Edge


def _source(seed: int) -> SyntheticSource:
    return SyntheticSource("gate", seed=seed, fps=10, width_px=320, height_px=180)


def test_the_same_seed_gives_the_same_pictures() -> None:
    first, second = (next(_source(3).shots(threading.Event())) for _ in range(2))

    assert first is not None
    assert second is not None
    assert first.pixels.shape == (180, 320, 3)
    assert (first.pixels == second.pixels).all()


def test_pictures_come_at_the_rate_that_is_set() -> None:
    shots = _source(1).shots(threading.Event())
    next(shots)  # paints the scene
    began_s = time.monotonic()

    taken = 0
    while taken < 5:
        taken += next(shots) is not None

    assert time.monotonic() - began_s >= 0.3  # 5 slots of 0.1 s, less what painting used up


def test_a_synthetic_camera_is_a_camera_like_any_other(edge: Edge) -> None:
    edge.run(source="synthetic:street?seed=1", fps=5, width_px=320, height_px=180)

    events = edge.arrived(5, timeout_s=60)

    assert edge.hub.chain_problems() == []
    assert {event["data"]["media_type"] for event in events} == {"image/jpeg"}
    assert {event["data"]["width_px"] for event in events} == {320}
