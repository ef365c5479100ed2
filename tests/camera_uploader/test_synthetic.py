"""The rendered scenes: what they promise to those who test, train and show with them."""

import math
from functools import cache
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camera_uploader.synthetic.gates import build_gate
from camera_uploader.synthetic.labels import CLASS_NAMES, Truth
from camera_uploader.synthetic.lens import Lens
from camera_uploader.synthetic.order import back_to_front
from camera_uploader.synthetic.render import Scene
from camera_uploader.synthetic.streets import build_street
from camera_uploader.synthetic.timetable import boom_share, entries, travelled
from camera_uploader.synthetic.traffic import Traffic
from camera_uploader.synthetic.weather import DayTime, Weather
from camera_uploader.synthetic.world import (
    HELD_OUT_LAYOUTS,
    LAYOUTS,
    SceneKind,
    World,
    drawn_layout,
)

KINDS: tuple[SceneKind, ...] = get_args(SceneKind)
FAIR = Weather()
# Small frames are as good for everything but plates, and ten times as quick to paint.
WIDTH_PX, HEIGHT_PX = 320, 180


@cache
def fair_scene(kind: SceneKind) -> Scene:
    return Scene(kind, 5, weather=FAIR)


def world(kind: SceneKind, seed: int) -> World:
    rng = np.random.default_rng(seed)
    build = build_street if kind == "street" else build_gate
    return build(LAYOUTS[kind][seed % len(LAYOUTS[kind])], rng, WIDTH_PX, HEIGHT_PX)


def truths_over(scene: Scene, start_s: float, moments: int) -> list[tuple[float, list[Truth]]]:
    times = [start_s + index * 0.5 for index in range(moments)]
    return [(at_s, scene.frame(at_s)[1]) for at_s in times]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("time", get_args(DayTime))
def test_same_seed_and_moment_give_the_same_bytes_and_truth(kind: SceneKind, time: DayTime) -> None:
    weather = Weather(time, rain=True, fog_per_m=0.01, noise=4.0)
    first, again = (Scene(kind, 7, WIDTH_PX, HEIGHT_PX, weather=weather) for _ in range(2))
    first.frame(99.0)  # another moment in between must not matter
    picture, truths = first.frame(12.25)
    same_picture, same_truths = again.frame(12.25)
    assert picture.tobytes() == same_picture.tobytes()
    assert truths == same_truths


def test_other_seeds_show_other_places_and_other_moments_other_traffic() -> None:
    scene, other = (Scene("street", seed, WIDTH_PX, HEIGHT_PX, weather=FAIR) for seed in (1, 2))
    assert scene.frame(10.0)[0].tobytes() != other.frame(10.0)[0].tobytes()
    assert scene.frame(10.0)[0].tobytes() != scene.frame(10.5)[0].tobytes()


@settings(max_examples=4, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**32 - 1),
    at_s=st.floats(-1e4, 1e6),
    size=st.sampled_from([(320, 180), (181, 101), (160, 240)]),
)
def test_every_box_lies_inside_the_frame_and_says_what_it_is(
    kind: SceneKind, seed: int, at_s: float, size: tuple[int, int]
) -> None:
    width_px, height_px = size
    picture, truths = Scene(kind, seed, width_px, height_px).frame(at_s)
    assert picture.shape == (height_px, width_px, 3)
    assert picture.dtype == np.uint8
    for truth in truths:
        x_min, y_min, x_max, y_max = truth.xyxy_px
        assert 0 <= x_min < x_max <= width_px
        assert 0 <= y_min < y_max <= height_px
        assert truth.class_name in CLASS_NAMES
        assert 0 < truth.visible_share <= 1
        assert (truth.text is not None) == (truth.class_name == "license_plate")


def test_a_plate_box_holds_a_bright_ground_and_dark_letters() -> None:
    scene = fair_scene("gate")
    plates = [
        (at_s, truth)
        for at_s, truths in truths_over(scene, 30.0, 16)
        for truth in truths
        if truth.text is not None and truth.visible_share > 0.95
    ]
    assert plates
    for at_s, plate in plates:
        x_min, y_min, x_max, y_max = (round(edge) for edge in plate.xyxy_px)
        grey = scene.frame(at_s)[0][y_min:y_max, x_min:x_max].mean(axis=2)
        assert np.percentile(grey, 90) > 130
        assert np.percentile(grey, 5) < 100
        assert plate.text is not None
        assert len(plate.text) == 7


def test_boxes_agree_with_the_pixels_that_traffic_changed() -> None:
    scene = fair_scene("street")
    background = np.median([scene.frame(at_s)[0] for at_s in range(0, 90, 13)], axis=0)
    picture, truths = scene.frame(41.0)
    changed = np.abs(picture.astype(int) - background).max(axis=2) > 12
    vehicles = [t for t in truths if t.class_name in {"car", "bus", "truck"}]
    assert vehicles
    for truth in vehicles:
        x_min, y_min, x_max, y_max = (round(edge) for edge in truth.xyxy_px)
        # A slanted body leaves corners of its box free; what hides it changes pixels or not.
        assert changed[y_min:y_max, x_min:x_max].mean() > 0.4 * truth.visible_share


def test_vehicles_move_on_while_the_place_stays() -> None:
    scene = fair_scene("gate")
    places: dict[str, list[tuple[float, ...]]] = {}
    for _, truths in truths_over(scene, 30.0, 16):
        for truth in truths:
            if truth.text is not None:
                places.setdefault(truth.text, []).append(truth.xyxy_px)
    assert any(len({round(box[0]) for box in boxes}) > 3 for boxes in places.values())


def test_set_of_objects_changes_with_time() -> None:
    scene = fair_scene("street")
    counts = {len(truths) for _, truths in truths_over(scene, 0.0, 10)}
    assert len(counts) > 2


def test_night_is_darker_than_dusk_and_dusk_than_day() -> None:
    times: tuple[DayTime, ...] = ("night", "dusk", "day")
    means = [
        Scene("street", 3, WIDTH_PX, HEIGHT_PX, weather=Weather(time)).frame(20.0)[0].mean()
        for time in times
    ]
    assert means == sorted(means)


def test_all_classes_appear_within_a_few_scenes() -> None:
    seen: set[str] = set()
    for kind in KINDS:
        for _, truths in truths_over(fair_scene(kind), 20.0, 28):
            seen |= {truth.class_name for truth in truths}
    assert seen == set(CLASS_NAMES)


def test_yolo_line_is_class_id_then_centre_and_size_as_shares() -> None:
    truth = Truth("car", (100.0, 50.0, 300.0, 150.0), None, 1.0)
    assert truth.yolo_line(1000, 500) == "2 0.200000 0.200000 0.200000 0.200000"


@pytest.mark.parametrize("kind", KINDS)
def test_layouts_kept_for_measuring_are_never_drawn(kind: SceneKind) -> None:
    drawn = {drawn_layout(kind, np.random.default_rng(seed)) for seed in range(200)}
    assert drawn == set(LAYOUTS[kind]) - HELD_OUT_LAYOUTS
    assert HELD_OUT_LAYOUTS & set(LAYOUTS[kind])


@settings(max_examples=12, deadline=None)
@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 10_000), at_s=st.floats(0, 1e5))
def test_vehicles_of_one_lane_never_run_into_each_other(
    kind: SceneKind, seed: int, at_s: float
) -> None:
    lanes: dict[int, list[tuple[float, float]]] = {}
    for actor in Traffic(world(kind, seed), seed, rain=False).at(at_s):
        if actor.key[0] >= 0 and actor.key[2] == "":
            y_m, half_m = actor.pose.place_m[1], actor.body.length_m / 2
            lanes.setdefault(actor.key[0], []).append((y_m - half_m, y_m + half_m))
    for spans in lanes.values():
        for (_, rear), (nose, _) in pairwise(sorted(spans)):
            assert rear < nose


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), at_s=st.floats(0, 1e5))
def test_boom_is_up_while_a_vehicle_is_under_it(seed: int, at_s: float) -> None:
    gate = world("gate", seed)
    for barrier in gate.barriers:
        lane = gate.lanes[barrier.lane]
        assert lane.stop_y_m is not None
        start_m = lane.end_y_m if lane.direction < 0 else -36.0
        boom_way_m = abs(barrier.hinge_m[1] - start_m)
        for number, entered_s in entries(lane, barrier.lane, seed, at_s):
            nose_m, _ = travelled(lane, at_s - entered_s)
            longest_m = 12.5
            if nose_m - longest_m < boom_way_m < nose_m:
                assert boom_share(lane, barrier.lane, seed, at_s) > 0.95, number


boxes = st.tuples(*[st.floats(-50, 50)] * 2, *[st.floats(0.5, 12)] * 2).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@given(st.lists(boxes, max_size=12))
def test_painting_order_holds_everything_once(rectangles: list[tuple[float, ...]]) -> None:
    array = np.array(rectangles).reshape(-1, 4)
    assert sorted(back_to_front(array, np.array([0.0, -60.0, 5.0]))) == list(range(len(array)))


def test_car_beside_the_far_end_of_a_bus_is_painted_after_it() -> None:
    bus, car = (2.0, 10.0, 4.5, 22.0), (-1.0, 17.0, 1.0, 21.5)
    # From the left the car stands in front, though its middle is farther away than the bus's.
    assert back_to_front(np.array([car, bus]), np.array([-3.0, 0.0, 5.0])) == [1, 0]


@given(st.floats(2.0, 80.0), st.floats(20.0, 100.0))
def test_what_the_camera_looks_at_is_in_the_middle_of_the_picture(
    away_m: float, view_deg: float
) -> None:
    eye, target = np.array([0.0, -away_m, 4.0]), np.array([1.0, 3.0, 1.0])
    lens = Lens.looking(eye, target, view_deg, 1280, 720)
    xy_px, depths_m = lens.project(target[None])
    assert xy_px[0] == pytest.approx((640.0, 360.0), abs=1e-6)
    assert depths_m[0] == pytest.approx(math.dist(eye, target))
