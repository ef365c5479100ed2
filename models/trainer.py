"""Training on a CPU in bearable time: half precision where it is safe, and wide pictures.

Ultralytics trains on squares in single precision on a CPU. Scenes are 16:9, so a square of padding
would cost 67 % more for nothing; and bfloat16 convolutions in channels-last order run at about
twice the speed on processors that have them (measured: 17 against 9 pictures a second at 512 x 288,
2 cores, AVX-512 BF16).
"""

# Ultralytics' interfaces are untyped, and its methods are overridden here as they are.
# ruff: noqa: ANN401, FBT001, FBT002
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from ultralytics.data.augment import RandomFlip, RandomHSV, RandomPerspective
from ultralytics.data.dataset import YOLODataset
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils import SETTINGS

IMAGE_WIDTH_PX: Final = 640
IMAGE_HEIGHT_PX: Final = 384
"""Input of the network: a 16:9 frame 640 px wide is 360 px high, padded to a multiple of 32."""


BATCH: Final = 8
"""Small, for more steps in the same time: with few epochs that matters more than smoothness."""

PEAK_RATE: Final = 0.0015

MANY_EPOCHS: Final = 1000
"""Never reached: the clock of `Annealing` ends the training."""


class BfloatModel(DetectionModel):
    """YOLO whose layers run in bfloat16 while training; the loss stays in single precision."""

    def predict(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """Return the network's raw outputs for a (N, 3, H, W) batch in 0..1."""
        if not self.training:
            return super().predict(x, *args, **kwargs)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            ordered = x.contiguous(memory_format=torch.channels_last)
            outputs = super().predict(ordered, *args, **kwargs)
        # Boxes are up to 80 cells wide: with the 8 bits of bfloat16 their loss would be too coarse.
        return _single(outputs)


class SceneTrainer(DetectionTrainer):
    """Ultralytics' trainer with `BfloatModel` and wide pictures, moved, flipped and re-coloured."""

    def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = True) -> BfloatModel:
        """Return a fresh network, or one with `weights`."""
        model = BfloatModel(cfg, nc=self.data["nc"], ch=self.data["channels"], verbose=verbose)
        if weights:
            model.load(weights)
        return model.to(memory_format=torch.channels_last)

    def build_dataset(self, img_path: str, mode: str = "train", batch: int | None = None) -> Any:
        """Return the set under `img_path`, in rectangles without padding."""
        dataset = YOLODataset(
            img_path=img_path,
            imgsz=self.args.imgsz,
            batch_size=batch,
            augment=False,
            hyp=self.args,
            rect=True,
            stride=32,
            pad=0.0,
            task="detect",
            data=self.data,
        )
        if mode == "train":
            # Occlusion, weather and noise vary in the renderer already; what it has too few of is
            # places to hang a camera at.
            dataset.transforms.insert(1, RandomFlip(p=0.5, direction="horizontal"))
            dataset.transforms.insert(1, RandomHSV(hgain=0.015, sgain=0.5, vgain=0.3))
            moved = RandomPerspective(degrees=2.0, translate=0.08, scale=(0.85, 1.5))
            dataset.transforms.insert(1, moved)
        return dataset


@dataclass
class Annealing:
    """Sets the learning rate: half a cosine from `peak` to 2 % of it, then ends the training.

    The clock is the processor's, not the wall's: it counts what `threads` busy cores do in `hours`
    and stands still while other work has them. On a shared machine the wall's clock would spend
    the middle of the curve on waiting.
    """

    hours: float
    threads: int
    peak: float
    started_s: float | None = None

    def __call__(self, trainer: DetectionTrainer) -> None:
        """Ultralytics calls this before every batch."""
        now_s = time.process_time()
        if self.started_s is None:
            self.started_s = now_s
        progress = min(1.0, (now_s - self.started_s) / (self.hours * 3600 * self.threads))
        rate = self.peak * self.share(progress)
        optimizer: Any = trainer.optimizer
        for group in optimizer.param_groups:
            group["lr"] = rate
        # Ultralytics looks after each batch, then validates and saves as after a whole epoch.
        trainer.stop = progress >= 1.0

    @staticmethod
    def share(progress: float) -> float:
        """Return the share of the peak at `progress` 0..1; the first 2 % climb from zero."""
        return min(1.0, progress / 0.02) * (0.02 + 0.98 * (1 + math.cos(math.pi * progress)) / 2)


def fit(index: Path, runs: Path, *, hours: float, threads: int, start: Path | None = None) -> Path:
    """Train for `hours` of `threads` cores, from nothing or a checkpoint; return the last state.

    The data are those of the description at `index`; ultralytics writes below `runs`. The last
    state, at the lowest rate, is taken and not ultralytics' "best": that one goes by the one-to-one
    head, and the other head is exported, see `suppression`.
    """
    SETTINGS.update({"sync": False})
    trainer = SceneTrainer(
        overrides={
            "model": str(start or "yolo26n.yaml"),
            "data": str(index),
            "epochs": MANY_EPOCHS,
            "patience": MANY_EPOCHS,
            "batch": BATCH,
            "nbs": BATCH,
            "imgsz": IMAGE_WIDTH_PX,
            "device": "cpu",
            "workers": 0,
            "amp": False,
            "optimizer": "AdamW",
            "warmup_epochs": 0.0,
            "project": str(runs),
            "name": "demo",
            "exist_ok": True,
            "plots": False,
            "pretrained": start is not None,
            "deterministic": False,
            "seed": 1,
            "save_period": 1,
        }
    )
    peak = PEAK_RATE if start is None else PEAK_RATE * 0.6
    trainer.add_callback("on_train_batch_start", Annealing(hours, threads, peak))
    # Making the trainer set them to one less than the machine has.
    torch.set_num_threads(threads)
    trainer.train()
    return runs / "demo" / "weights" / "last.pt"


def _single(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.float()
    if isinstance(value, dict):
        return {key: _single(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_single(item) for item in value)
    return value
