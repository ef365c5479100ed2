"""What drives, rides or walks: its class, its mesh, and the plates and lamps it carries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from camera_uploader.synthetic.lens import Floats
from camera_uploader.synthetic.mesh import Bgr, Mesh, Point


@dataclass(frozen=True)
class Plate:
    """A licence plate on a body: its text and four corners, left top first, seen from outside."""

    text: str
    yellow: bool
    corners: tuple[Point, Point, Point, Point]

    @property
    def mean_bgr(self) -> Floats:
        """(3,) the plate's colour from far away, letters included."""
        return np.array((70.0, 150.0, 175.0) if self.yellow else (172.0, 172.0, 170.0))


@dataclass(frozen=True)
class Lamp:
    """A vehicle's lamp: where it sits, which way it looks along x, and what it sends out."""

    place: Point
    ahead: bool
    bgr: Bgr


@dataclass(frozen=True)
class Body:
    """What drives, rides or walks: one mesh and what belongs to it.

    Attributes:
        class_name: COCO's word for it.
        length_m, width_m: The rectangle it covers on the ground.
        mesh: The body at rest.
        plates, lamps: What it carries.
    """

    class_name: str
    length_m: float
    width_m: float
    mesh: Mesh
    plates: tuple[Plate, ...] = ()
    lamps: tuple[Lamp, ...] = ()
