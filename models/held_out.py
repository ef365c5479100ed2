"""Measures an exported detector on held-out scenes: pictures it was never trained on.

    python -m models.held_out                # new scenes, of the layouts it was trained on
    python -m models.held_out --new-layouts  # harder: layouts it was never trained on

The layouts never trained on are a boulevard with a planted median seen from a footbridge, and a
gate seen from inside the yard. What counts as an object is told in `counted`.
"""

# Ultralytics types every kind of result at once, so a model is Any here.
# ruff: noqa: ANN401

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

# Ultralytics otherwise looks for updates, and this has to work without a network.
os.environ.setdefault("YOLO_OFFLINE", "true")

import cv2
import numpy as np
import yaml
from ultralytics.models import YOLO

from camera_uploader.synthetic.labels import CLASS_IDS, CLASS_NAMES, Truth
from camera_uploader.synthetic.weather import Weather
from models.counted import counts, large_enough
from models.export import FOLDER, folder_digest
from models.precision import Answer, Boxes, Figures, compare, figures
from models.scenes import HELD_OUT_SEED, Layouts, Sample, SceneSet


@dataclass
class Report:
    """What was measured.

    Attributes:
        pictures: How many. ignored: Objects in them that do not count.
        infer_ms: Shortest time of the network alone, one picture at a time: on a machine with other
            work the median tells about the other work.
        all: Means over the classes. by_class: By class name. by_condition: Means by light, weather.
    """

    pictures: int
    ignored: int
    digest: str
    size_bytes: int
    infer_ms: float
    all: Figures
    by_class: dict[str, Figures]
    by_condition: dict[str, Figures] = field(default_factory=dict)


def conditions(weather: Weather) -> list[str]:
    """Return the rows of the report that a picture counts in: one or several."""
    found = [str(weather.time)] if weather.time != "day" else []
    if weather.rain:
        found.append("rain")
    if weather.fog_per_m > 0.008:
        found.append("fog")
    if weather.noise >= 2.0:
        found.append("noise")
    return found or ["fair day"]


def answer(model: Any, input_hw: list[int], sample: Sample, truths: Boxes) -> tuple[Answer, float]:
    """Return what the model finds in one picture, and the milliseconds its network took.

    The picture comes as a detector gets it: in full size, through JPEG.
    """
    _, data = cv2.imencode(".jpg", sample.picture, [cv2.IMWRITE_JPEG_QUALITY, sample.quality])
    picture = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)
    result = model.predict(picture, imgsz=input_hw, conf=0.001, max_det=300, verbose=False)[0]
    xyxy_px = np.asarray(result.boxes.xyxy, dtype=np.float64)
    class_ids = np.asarray(result.boxes.cls, dtype=np.int64)
    found = Boxes(xyxy_px, class_ids, large_enough(xyxy_px, class_ids, picture.shape[1]))
    confidence = np.asarray(result.boxes.conf, dtype=np.float64)
    return compare(found, confidence, truths), float(result.speed["inference"])


def boxes_of(truths: list[Truth], width_px: int) -> Boxes:
    """Return what is in a picture `width_px` wide as boxes that count or are ignored."""
    return Boxes(
        np.array([truth.xyxy_px for truth in truths], dtype=np.float64).reshape(-1, 4),
        np.array([CLASS_IDS[truth.class_name] for truth in truths], dtype=np.int64),
        np.array([counts(truth, width_px) for truth in truths], dtype=bool),
    )


def measure(folder: Path, chosen: SceneSet) -> Report:
    """Run the exported model in `folder` over a set and compares with the truth."""
    model = YOLO(folder, task="detect")
    input_hw = _input_hw(folder)
    answers: list[Answer] = []
    groups: dict[str, list[Answer]] = {}
    times_ms: list[float] = []
    ignored = 0
    samples = chain.from_iterable(chosen.samples(index) for index in range(chosen.scenes))
    for sample in samples:
        truths = boxes_of([*sample.truths, *sample.unclear], sample.picture.shape[1])
        ignored += int((~truths.counted).sum())
        found, took_ms = answer(model, input_hw, sample, truths)
        answers.append(found)
        times_ms.append(took_ms)
        for name in conditions(sample.weather):
            groups.setdefault(name, []).append(found)
    by_class, mean = figures(answers)
    return Report(
        pictures=len(answers),
        ignored=ignored,
        digest=folder_digest(folder),
        size_bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        infer_ms=min(times_ms),
        all=mean,
        by_class={CLASS_NAMES[class_id]: row for class_id, row in by_class.items()},
        by_condition={name: figures(group)[1] for name, group in sorted(groups.items())},
    )


def table(report: Report) -> str:
    """Return the report as Markdown."""
    lines = [
        "| class | objects | mAP50 | mAP50-95 | precision | recall |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    rows = [("**all**", report.all), *report.by_class.items()]
    rows += [(f"*{name}*", row) for name, row in report.by_condition.items()]
    lines += [
        f"| {name} | {row.truths} | {row.map50:.3f} | {row.map50_95:.3f} "
        f"| {row.precision:.3f} | {row.recall:.3f} |"
        for name, row in rows
    ]
    return "\n".join(lines)


def _input_hw(folder: Path) -> list[int]:
    metadata = yaml.safe_load((folder / "metadata.yaml").read_text())
    return [int(side) for side in metadata["imgsz"]]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m models.held_out",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="exported model to measure")
    parser.add_argument("--scenes", type=int, default=40, help="scenes to render (default 40)")
    parser.add_argument("--frames", type=int, default=4, help="moments of each (default 4)")
    parser.add_argument("--new-layouts", action="store_true", help="layouts never trained on")
    parser.add_argument("--json", type=Path, help="file to write the figures to as well")
    arguments = parser.parse_args()
    layouts: Layouts = "held out" if arguments.new_layouts else "known"
    chosen = SceneSet(HELD_OUT_SEED, arguments.scenes, arguments.frames, layouts)
    started = time.monotonic()
    report = measure(arguments.folder, chosen)
    print(table(report))
    print(
        f"\n{report.pictures} pictures in {time.monotonic() - started:.0f} s; network "
        f"{report.infer_ms:.1f} ms at best; {report.size_bytes / 1e6:.1f} MB; {report.digest}"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(asdict(report), indent=2))


if __name__ == "__main__":
    main()
