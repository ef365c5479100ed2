"""Rendered scenes: pictures without a camera, the same ones for the same seed."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

from camera_uploader.frame import PixelShot
from camera_uploader.sources.pacing import Pace
from camera_uploader.sources.source import Unmarked


class SyntheticSource(Unmarked):
    """A rendered `street` or `gate`, `fps` pictures a second; a slow renderer makes fewer."""

    live = True

    def __init__(
        self,
        scene: Literal["street", "gate"],
        *,
        seed: int,
        fps: float,
        width_px: int,
        height_px: int,
    ) -> None:
        self.name = f"synthetic:{scene}?seed={seed}"
        self._scene, self._seed = scene, seed
        self._fps, self._size = fps, (width_px, height_px)

    def shots(self, stopping: threading.Event) -> Iterator[PixelShot | None]:
        """Yield a picture of the scene every 1/fps seconds."""
        # Here, not above: other sources need no renderer in memory.
        from camera_uploader.synthetic.render import Scene  # noqa: PLC0415

        width_px, height_px = self._size
        scene = Scene(self._scene, self._seed, width_px=width_px, height_px=height_px)
        pace = Pace(stopping)
        for number in range(2**63):
            at_s = number / self._fps
            while not pace.reached(at_s):
                if stopping.is_set():
                    return
                yield None
            pixels, _ = scene.frame(at_s)
            yield PixelShot(pixels=pixels, captured_at=datetime.now(UTC))
