"""Sets of rendered pictures with labels, as files for training or one by one for measuring."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, assert_never

import cv2
import numpy as np
import yaml

from camera_uploader.synthetic.labels import CLASS_NAMES, Truth
from camera_uploader.synthetic.lens import Image
from camera_uploader.synthetic.render import Scene
from camera_uploader.synthetic.weather import Weather
from camera_uploader.synthetic.world import FREE, HELD_OUT_LAYOUTS, LAYOUTS, SceneKind

Layouts = Literal["known", "free", "held out"]
"""Those trained on, as cameras draw them; cameras hung anywhere, to train on as well; and those
kept out of training."""

TRAIN_SEED: Final = 100_000
FREE_SEED: Final = 300_000
CHOICE_SEED: Final = 500_000
HELD_OUT_SEED: Final = 900_000
"""First seeds of the sets to train on (known and free layouts), of the set to watch
training and set what is exported by, and of the set to test on."""

FIRST_MOMENT_S: Final = 40.0
PAUSE_S: Final = 4.0


@dataclass(frozen=True)
class Sample:
    """One picture of a set, with the truth about it and the JPEG quality (70..95) it is kept at.

    `truths` are learned from; `unclear` are those too small or too hidden for that.
    """

    name: str
    picture: Image
    truths: list[Truth]
    unclear: list[Truth]
    weather: Weather
    quality: int


@dataclass(frozen=True)
class SceneSet:
    """A set of scenes; every second one is a gate, the others are streets.

    Attributes:
        first_seed: Seed of the first scene; the others follow.
        scenes, frames: How many scenes, and moments of each.
        layouts: Which layouts.
    """

    first_seed: int
    scenes: int
    frames: int
    layouts: Layouts

    def scene(self, index: int) -> tuple[SceneKind, int, str | None]:
        """Kind, seed and layout of a scene; a layout of None is drawn from the seed."""
        kind: SceneKind = "gate" if index % 2 else "street"
        layout: str | None = None
        match self.layouts:
            case "known":
                pass
            case "free":
                layout = FREE
            case "held out":
                layout = next(name for name in LAYOUTS[kind] if name in HELD_OUT_LAYOUTS)
            case _:
                assert_never(self.layouts)
        return kind, self.first_seed + index, layout

    def samples(self, index: int) -> Iterator[Sample]:
        """Yield the moments of one scene."""
        kind, seed, layout = self.scene(index)
        scene = Scene(kind, seed, layout=layout)
        rng = np.random.default_rng((seed, 99))
        for number in range(self.frames):
            at_s = FIRST_MOMENT_S + number * PAUSE_S + float(rng.uniform(0, 3))
            picture, truths, unclear = scene.frame_and_unclear(at_s)
            name, quality = f"{kind}-{seed}-{number}", int(rng.integers(70, 96))
            yield Sample(name, picture, truths, unclear, scene.weather, quality)


def write_scene(folder: Path, chosen: SceneSet, index: int, width_px: int) -> None:
    """Write the pictures of one scene, shrunk to `width_px`, and their labels."""
    cv2.setNumThreads(1)
    for sample in chosen.samples(index):
        height_px, full_px = sample.picture.shape[:2]
        lines = [truth.yolo_line(full_px, height_px) for truth in sample.truths]
        (folder / "labels" / f"{sample.name}.txt").write_text("\n".join(lines))
        size = (width_px, width_px * height_px // full_px)
        small = cv2.resize(sample.picture, size, interpolation=cv2.INTER_AREA)
        path = str(folder / "images" / f"{sample.name}.jpg")
        cv2.imwrite(path, small, [cv2.IMWRITE_JPEG_QUALITY, sample.quality])


def write_set(folder: Path, chosen: SceneSet, width_px: int) -> None:
    """Write a whole set, one process a core."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        jobs = [
            pool.submit(write_scene, folder, chosen, index, width_px)
            for index in range(chosen.scenes)
        ]
        for job in jobs:
            job.result()


def write_index(folder: Path) -> Path:
    """Write the data description ultralytics reads; return its path.

    Pictures with rare things are listed more than once, see `repeats`.
    """
    lines: list[str] = []
    for label in sorted((folder / "train" / "labels").glob("*.txt")):
        present = Counter(CLASS_NAMES[int(line.split()[0])] for line in label.open())
        picture = folder / "train" / "images" / f"{label.stem}.jpg"
        lines += [str(picture)] * repeats(present)
    (folder / "train.txt").write_text("\n".join(lines) + "\n")
    path = folder / "data.yaml"
    text = yaml.safe_dump(
        {
            "path": str(folder),
            "train": "train.txt",
            "val": "choice/images",
            "names": dict(enumerate(CLASS_NAMES)),
        },
        sort_keys=False,
    )
    path.write_text(text)
    return path


def repeats(present: Counter[str]) -> int:
    """Return how often a picture with these objects is shown in one pass, 1 to 3.

    There are 28 people for each plate or motorcycle: without this the rare classes learn last.
    """
    rare = (present["license_plate"] > 0) + (present["motorcycle"] > 0)
    return 1 + (rare or int(present["bicycle"] > 1))
