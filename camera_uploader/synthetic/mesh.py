"""Solid things as flat faces and round strokes.

A mesh lives in its own axes, in metres: x forward, y to the left, z up, the origin on the ground
under its middle. Faces are painted in the order in which they were added, those that look away
from the camera left out; for bodies built from inside to outside that needs no sorting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from camera_uploader.synthetic.lens import Floats

Bgr = tuple[float, float, float]
Point = tuple[float, float, float]


def toned(bgr: Bgr, tone: float) -> Bgr:
    """Return a colour `tone` times as bright."""
    return (bgr[0] * tone, bgr[1] * tone, bgr[2] * tone)


@dataclass(frozen=True)
class Pose:
    """Where a mesh stands: its origin and the direction its x axis points to, both on the map."""

    place_m: tuple[float, float]
    heading: tuple[float, float]

    def to_world(self, points_m: Floats) -> Floats:
        """(N, 3) points of the mesh in the axes of the world."""
        turned = self.turned(points_m)
        turned[:, :2] += self.place_m
        return turned

    def turned(self, vectors: Floats) -> Floats:
        """(N, 3) directions of the mesh in the axes of the world."""
        cos, sin = self.heading
        turn = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
        turned: Floats = vectors @ turn
        return turned


@dataclass(frozen=True, slots=True)
class Swap:
    """Two parts one behind the other: which is painted first depends on where the camera is.

    Faces `first` to `second` are the part in front, `second` to `end` the part behind; the plane
    x = `plane_m` parts them. The order given is right for a camera behind the plane.
    """

    first: int
    second: int
    end: int
    plane_m: float

    def order(self, count: int) -> list[int]:
        """Return indices of `count` faces for a camera in front of the plane."""
        faces = list(range(count))
        ahead, behind = faces[self.first : self.second], faces[self.second : self.end]
        return faces[: self.first] + behind + ahead + faces[self.end :]


@dataclass(frozen=True)
class Mesh:
    """Faces and strokes, ready to be projected in one go.

    Attributes:
        points: (N, 3) corners of all faces, one after the other, then both ends of the strokes.
        spans: First and last-plus-one point of each face.
        normals, centres, bgr: (F, 3); glow: (F,) see `Light.lit`.
        stroke_bgr: (S, 3); stroke_m: (S,) diameters. Strokes are painted after the faces.
        swap: How two parts change places, see `Swap`.
        strokes_only: Whether the faces are luggage rather than part of the thing.
    """

    points: Floats
    spans: tuple[tuple[int, int], ...]
    normals: Floats
    centres: Floats
    bgr: Floats
    glow: Floats
    stroke_bgr: Floats
    stroke_m: Floats
    strokes_only: bool
    swap: Swap | None


@dataclass
class MeshBuilder:
    """Collects faces and strokes; `build()` freezes them."""

    faces: list[Floats] = field(default_factory=list)
    normals: list[Floats] = field(default_factory=list)
    colours: list[Bgr] = field(default_factory=list)
    glows: list[float] = field(default_factory=list)
    strokes: list[tuple[Point, Point, float, Bgr]] = field(default_factory=list)
    swap: Swap | None = None

    def face(
        self,
        corners: Sequence[Point] | Floats,
        bgr: Bgr,
        *,
        inside: Point = (0.0, 0.0, 0.8),
        glow: float = 0.0,
    ) -> None:
        """Add a flat polygon that looks away from the point `inside`."""
        array = np.asarray(corners, dtype=np.float64)
        # Newell's method: right for concave and slightly bent polygons too.
        following = np.concatenate((array[1:], array[:1]))
        normal = np.cross(array, following).sum(axis=0)
        normal /= max(float(np.linalg.norm(normal)), 1e-9)
        if normal @ (array.mean(axis=0) - np.asarray(inside)) < 0:
            normal = -normal
        self.faces.append(array)
        self.normals.append(normal)
        self.colours.append(bgr)
        self.glows.append(glow)

    def box(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        z: tuple[float, float],
        bgr: Bgr,
        *,
        top_bgr: Bgr | None = None,
        glow: float = 0.0,
    ) -> None:
        """Add an upright box without a bottom."""
        inside = ((x[0] + x[1]) / 2, (y[0] + y[1]) / 2, (z[0] + z[1]) / 2)
        for at in x:
            self.face(
                [(at, y[0], z[0]), (at, y[1], z[0]), (at, y[1], z[1]), (at, y[0], z[1])],
                bgr,
                inside=inside,
                glow=glow,
            )
        for at in y:
            self.face(
                [(x[0], at, z[0]), (x[1], at, z[0]), (x[1], at, z[1]), (x[0], at, z[1])],
                bgr,
                inside=inside,
                glow=glow,
            )
        self.face(
            [(x[0], y[0], z[1]), (x[1], y[0], z[1]), (x[1], y[1], z[1]), (x[0], y[1], z[1])],
            top_bgr or bgr,
            inside=inside,
            glow=glow,
        )

    def stroke(self, start: Point, end: Point, diameter_m: float, bgr: Bgr) -> None:
        """Add a round bar."""
        self.strokes.append((start, end, diameter_m, bgr))

    def build(self, *, strokes_only: bool = False) -> Mesh:
        """Return the finished mesh; see `Mesh` for `strokes_only`."""
        spans: list[tuple[int, int]] = []
        first = 0
        for corners in self.faces:
            spans.append((first, first + len(corners)))
            first += len(corners)
        ends = np.array([(start, end) for start, end, _, _ in self.strokes]).reshape(-1, 3)
        return Mesh(
            points=np.concatenate([*self.faces, ends]) if self.faces else ends,
            spans=tuple(spans),
            normals=np.array(self.normals).reshape(-1, 3),
            centres=np.array([corners.mean(axis=0) for corners in self.faces]).reshape(-1, 3),
            bgr=np.array(self.colours, dtype=np.float64).reshape(-1, 3),
            glow=np.array(self.glows),
            stroke_bgr=np.array([bgr for *_, bgr in self.strokes], dtype=np.float64).reshape(-1, 3),
            stroke_m=np.array([diameter for _, _, diameter, _ in self.strokes]),
            strokes_only=strokes_only,
            swap=self.swap,
        )
