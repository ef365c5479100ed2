"""Sets of scenes: what is trained on and what is kept for measuring stay apart."""

from typing import get_args

import numpy as np
import pytest

from camera_uploader.synthetic.gates import build_gate
from camera_uploader.synthetic.render import Scene
from camera_uploader.synthetic.streets import build_street
from camera_uploader.synthetic.world import FREE, HELD_OUT_LAYOUTS, LAYOUTS, SceneKind, drawn_layout
from models.scenes import CHOICE_SEED, FREE_SEED, HELD_OUT_SEED, TRAIN_SEED, Layouts, SceneSet

# More scenes than anybody trains on.
MANY = 100_000


def test_seeds_of_the_sets_never_meet() -> None:
    firsts = sorted((TRAIN_SEED, FREE_SEED, CHOICE_SEED, HELD_OUT_SEED))
    assert min(np.diff(firsts)) >= MANY


@pytest.mark.parametrize("layouts", ["known", "free"])
def test_no_scene_to_train_on_has_a_layout_that_is_kept_out(layouts: Layouts) -> None:
    chosen = SceneSet(TRAIN_SEED, MANY, 1, layouts)
    for index in range(200):
        kind, seed, layout = chosen.scene(index)
        rng = np.random.default_rng((seed, 0 if kind == "street" else 1))
        assert (layout or drawn_layout(kind, rng)) not in HELD_OUT_LAYOUTS


def test_every_scene_of_new_layouts_has_one_that_is_kept_out() -> None:
    chosen = SceneSet(HELD_OUT_SEED, MANY, 1, "held out")
    assert {chosen.scene(index)[2] for index in range(4)} == HELD_OUT_LAYOUTS


def test_free_cameras_are_drawn_by_training_only_and_have_no_median_and_no_view_from_the_yard() -> (
    None
):
    assert all(FREE not in names for names in LAYOUTS.values())
    for seed in range(100):
        rng = np.random.default_rng(seed)
        assert build_street(FREE, rng, 320, 180).median_half_m == 0.0
        gate = build_gate(FREE, rng, 320, 180)
        assert gate.lens.eye_m[0] <= gate.road_half_m + 1


@pytest.mark.parametrize("kind", get_args(SceneKind))
@pytest.mark.parametrize("seed", [3, 4])
def test_what_is_unclear_comes_beside_the_truths_and_is_smaller_or_more_hidden(
    kind: SceneKind, seed: int
) -> None:
    scene = Scene(kind, seed)
    unclear_shares: list[float] = []
    for at_s in (30.0, 36.0, 42.0):
        picture, truths = scene.frame(at_s)
        same_picture, same_truths, unclear = scene.frame_and_unclear(at_s)
        assert picture.tobytes() == same_picture.tobytes()
        assert truths == same_truths
        assert not {truth.xyxy_px for truth in truths} & {truth.xyxy_px for truth in unclear}
        for truth in unclear:
            height_px = truth.xyxy_px[3] - truth.xyxy_px[1]
            width_px = truth.xyxy_px[2] - truth.xyxy_px[0]
            assert truth.visible_share > 0
            unclear_shares.append(truth.visible_share)
            if truth.text is None:
                assert truth.visible_share < 0.3 or height_px < 18 or width_px < 8
            else:
                assert truth.visible_share < 0.75 or width_px < 40
    assert unclear_shares
