"""Renders scenes, trains the demo detector on them from nothing, measures it and exports it.

A tool for developers and operators; no service runs it. It takes about two hours on two cores.

    python -m models.train all --scratch /tmp/scenes --hours 1.5
    python -m models.train render --scratch /tmp/scenes
    python -m models.train fit --scratch /tmp/scenes --hours 1.5
    python -m models.train export --scratch /tmp/scenes --checkpoint last.pt
    python -m models.train card

Pictures and checkpoints go to the scratch folder, which has to be outside the repository; the
exported folder and its card are written beside this file, or below --output.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

# Ultralytics otherwise looks for updates and fonts, and this has to work without a network.
os.environ.setdefault("YOLO_OFFLINE", "true")
# Threads that spin while they wait take the core from the thread they wait for when other work
# has the second core: 10 s a step instead of 1.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from models.card import SCENES, write_card
from models.export import FOLDER, export
from models.scenes import CHOICE_SEED, FREE_SEED, TRAIN_SEED, SceneSet, write_index, write_set
from models.trainer import IMAGE_WIDTH_PX, fit

REPOSITORY = Path(__file__).resolve().parent.parent


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m models.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("step", choices=("all", "render", "fit", "export", "card"))
    parser.add_argument("--scratch", type=Path, help="folder for pictures and checkpoints")
    parser.add_argument("--scenes", type=int, default=960, help="scenes to train on (default 960)")
    parser.add_argument("--frames", type=int, default=8, help="moments of each scene (default 8)")
    parser.add_argument("--hours", type=float, default=1.5, help="time to train (default 1.5)")
    parser.add_argument("--start", type=Path, help="checkpoint to go on from (default: none)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="cores to train on")
    parser.add_argument("--checkpoint", type=Path, help="what to export (default: the last)")
    parser.add_argument("--output", type=Path, default=FOLDER.parent, help="where the model goes")
    parser.add_argument(
        "--held-out-scenes", type=int, default=SCENES, help=f"to measure on (default {SCENES})"
    )
    chosen = parser.parse_args(arguments)
    if chosen.step != "card":
        if chosen.scratch is None:
            parser.error(f"{chosen.step} needs --scratch")
        chosen.scratch = chosen.scratch.resolve()
        if chosen.scratch.is_relative_to(REPOSITORY):
            parser.error(f"--scratch {chosen.scratch} is inside the repository")
    return chosen


def render(scratch: Path, scenes: int, frames: int) -> None:
    """Render the set to train on, and a small one to watch it by."""
    free = scenes * 2 // 5
    train = scratch / "data" / "train"
    write_set(train, SceneSet(TRAIN_SEED, scenes - free, frames, "known"), IMAGE_WIDTH_PX)
    write_set(train, SceneSet(FREE_SEED, free, frames, "free"), IMAGE_WIDTH_PX)
    choice = SceneSet(CHOICE_SEED, 24, 3, "known")
    write_set(scratch / "data" / "choice", choice, IMAGE_WIDTH_PX)


def main() -> None:
    """Run the steps asked for."""
    chosen = parse(sys.argv[1:])
    steps = ("render", "fit", "export", "card") if chosen.step == "all" else (chosen.step,)
    checkpoint: Path | None = chosen.checkpoint
    folder = chosen.output / FOLDER.name
    for step in steps:
        match step:
            case "render":
                render(chosen.scratch, chosen.scenes, chosen.frames)
            case "fit":
                index = write_index(chosen.scratch / "data")
                checkpoint = fit(
                    index,
                    chosen.scratch / "runs",
                    hours=chosen.hours,
                    threads=chosen.threads,
                    start=chosen.start,
                )
            case "export":
                last = chosen.scratch / "runs" / "demo" / "weights" / "last.pt"
                export(checkpoint or last, chosen.scratch / "export", folder)
            case _:
                write_card(folder, chosen.output / "README.md", chosen.held_out_scenes)


if __name__ == "__main__":
    main()
