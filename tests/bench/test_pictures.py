"""The bench's pictures are of the size that is asked for, different, and still pictures."""

from itertools import islice

import cv2
import numpy as np
import pytest

from bench import pictures
from pinhole.contract.cid import Cid


@pytest.fixture(scope="module")
def scene() -> bytes:
    return pictures.rendered(1, width_px=640, height_px=360)[0]


@pytest.mark.parametrize("more_bytes", [20, 1_000, 65_000, 65_001, 65_003, 130_005])
def test_pictures_have_exactly_the_size_and_are_all_different(
    scene: bytes, more_bytes: int
) -> None:
    size_bytes = len(scene) + more_bytes
    made = list(islice(pictures.of_size(size_bytes, scene), 3))
    assert {len(picture) for picture in made} == {size_bytes}
    assert len({Cid.of(picture) for picture in made}) == 3
    original = cv2.imdecode(np.frombuffer(scene, np.uint8), cv2.IMREAD_COLOR)
    for picture in made:
        decoded = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
        assert decoded is not None
        assert original is not None
        assert np.array_equal(decoded, original)


def test_a_picture_that_cannot_be_so_small_is_refused(scene: bytes) -> None:
    with pytest.raises(ValueError, match="more than"):
        next(pictures.of_size(100, scene))
