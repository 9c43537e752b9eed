"""People in images: where their joints, torsos and bodies are. Free of torch, so that the store can use it.

Points are (x, y) in image px, with the centre of the first pixel at (0, 0). A box is (x, y, w, h): it covers the
pixels x .. x + w - 1 and y .. y + h - 1.

Axes: K joints.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pfa_core.errors import AnnotationsInvalid
from pfa_core.skeleton import JointSet

Box = tuple[float, float, float, float]
Point = tuple[float, float, int]
"""x px, y px, and how the joint was labelled: 0 not at all, 1 occluded, 2 visible."""

_SPLITS = ("train", "val", "test")
_MOST_PX = 1e6
"""No image is so large; beyond it a number is a mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One person in one image."""

    image: Path
    """The image file; as read from annotations, its name there."""
    name: str | None = None
    """The image as its user knows it, where the file has another name."""
    joints: Mapping[str, Point]
    """Joint name (normalised) -> point. A joint that is not labelled may be left out."""
    torso_box: Box | None = None
    person_box: Box | None = None
    split: str | None = None
    """`train`, `val` or `test`; None: the recipe decides by group."""
    group: str | None = None
    """People of one group stay on one side of a split."""

    @property
    def image_name(self) -> str:
        """What to call the image in a message."""
        return self.image.name if self.name is None else self.name

    def keypoints(self, joints: JointSet) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """(K, 2) px, and (K,) whether each joint is labelled (visible or occluded); unlabelled ones are at nan."""
        points = np.full((len(joints), 2), np.nan)
        labelled = np.zeros(len(joints), dtype=bool)
        for position, name in enumerate(joints.names):
            x, y, visible = self.joints.get(name, (0.0, 0.0, 0))
            if visible > 0:
                points[position] = x, y
                labelled[position] = True
        return points, labelled

    def visible(self, joints: JointSet) -> NDArray[np.bool_]:
        """(K,) whether each joint is labelled as visible: neither occluded nor without a label."""
        return np.array([self.joints.get(name, (0.0, 0.0, 0))[2] == 2 for name in joints.names])

    def to_json(self) -> dict[str, Any]:
        """The person as plain values, without image, name, split and group (which a table has columns for)."""
        return {
            "joints": {name: list(point) for name, point in self.joints.items()},
            "torso_box": None if self.torso_box is None else list(self.torso_box),
            "person_box": None if self.person_box is None else list(self.person_box),
        }

    @staticmethod
    def from_json(
        plain: Mapping[str, Any],
        *,
        image: Path,
        name: str | None = None,
        split: str | None = None,
        group: str | None = None,
    ) -> "Person":
        """Undo `to_json`, and check every value.

        Raises:
            AnnotationsInvalid: a point, a box or the split is not what it must be; the message names the image.
        """
        where = str(image) if name is None else name
        joints = plain.get("joints") or {}
        if not isinstance(joints, Mapping):
            raise AnnotationsInvalid(f"{where}: joints must be an object of name: [x, y, visible].")
        if split is not None and split not in _SPLITS:
            raise AnnotationsInvalid(f"{where}: split must be one of {', '.join(_SPLITS)}, not {split!r}.")
        return Person(
            image=image,
            name=name,
            joints={str(name): as_point(value, where=f"{where}: joint {name}") for name, value in joints.items()},
            torso_box=as_box(plain.get("torso_box"), where=f"{where}: torso_box"),
            person_box=as_box(plain.get("person_box"), where=f"{where}: person_box"),
            split=split,
            group=group,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseData:
    """People and the joint set that they are labelled with."""

    joints: JointSet
    people: tuple[Person, ...]


def as_point(value: object, *, where: str) -> Point:
    """Check [x, y, visible]; a point without `visible` is visible, null is not labelled."""
    if value is None:
        return (0.0, 0.0, 0)
    numbers = _numbers(value, where=where, counts=(2, 3))
    visible = numbers[2] if len(numbers) == 3 else 2
    if visible not in (0, 1, 2):
        raise AnnotationsInvalid(f"{where}: visible must be 0, 1 or 2, not {visible:g}.")
    return (numbers[0], numbers[1], int(visible))


def as_box(value: object, *, where: str) -> Box | None:
    """Check [x, y, w, h]; a box without area is no box."""
    if value is None:
        return None
    x, y, width, height = _numbers(value, where=where, counts=(4,))
    if width < 0 or height < 0:
        raise AnnotationsInvalid(f"{where}: width and height must not be negative.")
    return (x, y, width, height) if max(width, height) > 0 else None


def box_around(points: NDArray[np.float64]) -> Box:
    """The tight box around (N, 2) points, N >= 1."""
    left, top = points.min(axis=0)
    right, bottom = points.max(axis=0)
    return (float(left), float(top), float(right - left), float(bottom - top))


def _numbers(value: object, *, where: str, counts: Iterable[int]) -> list[float]:
    wanted = tuple(counts)
    if not isinstance(value, list | tuple) or len(value) not in wanted:
        raise AnnotationsInvalid(f"{where}: a list of {' or '.join(map(str, wanted))} numbers is needed.")
    numbers = []
    for part in value:
        if isinstance(part, bool) or not isinstance(part, int | float) or not abs(part) <= _MOST_PX:  # nan is refused
            raise AnnotationsInvalid(f"{where}: {part!r} is not a place in px.")
        numbers.append(float(part))
    return numbers
