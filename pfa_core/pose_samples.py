"""Person crops with their joints, decoded and cut once: what pose models train and are tested on.

Axes: N people, K joints, S side of a crop in px.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pfa_core.crops import PersonCrop, in_crop, person_crop
from pfa_core.errors import DatasetUnsuitable, ImageUnreadable, InputError
from pfa_core.images import read_image
from pfa_core.left_out import LeftOut, opening
from pfa_core.people import Person, box_around
from pfa_core.progress import Progress
from pfa_core.skeleton import JointSet

MAX_PIXELS = 50_000_000
"""Larger images are refused."""
MEMORY_BYTES = 2 * 2**30
"""More crops than this are kept in a file that the system pages in and out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseSamples:
    """People as a Pose ConvNet sees them."""

    people: tuple[Person, ...]
    crops_u8: NDArray[np.uint8]
    """(N, S, S, 3) RGB."""
    crops: tuple[PersonCrop, ...]
    keypoints_px: NDArray[np.float64]
    """(N, K, 2) true places, image px; nan where not labelled."""
    labelled: NDArray[np.bool_]
    """(N, K) visible or occluded."""
    visible: NDArray[np.bool_]
    """(N, K) labelled as visible."""

    def __len__(self) -> int:
        return len(self.crops)

    def images(self, chosen: slice | NDArray[np.int64]) -> Tensor:
        """(B, 3, S, S) uint8, channels last in memory."""
        return torch.from_numpy(np.ascontiguousarray(self.crops_u8[chosen])).permute(0, 3, 1, 2)

    def in_crop_px(self) -> NDArray[np.float32]:
        """(N, K, 2) true places in the px of each person's own crop."""
        places = [crop.to_crop(points) for crop, points in zip(self.crops, self.keypoints_px, strict=True)]
        return np.asarray(places, dtype=np.float32).reshape(self.keypoints_px.shape)

    def in_sight(self) -> NDArray[np.bool_]:
        """(N, K) whether a joint is labelled as visible and lies in the crop."""
        return self.visible & in_crop(self.in_crop_px(), crop_px=self.crops_u8.shape[1])

    def to_image_px(self, predicted_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, K, 2) crop px -> (N, K, 2) image px."""
        places = [crop.to_image(points) for crop, points in zip(self.crops, predicted_px, strict=True)]
        return np.asarray(places, dtype=np.float64).reshape(predicted_px.shape)

    def sizes_px(self) -> NDArray[np.float64]:
        """(N,) the longer side of the box around each person's labelled joints, image px; nan without any."""
        boxes = [box_around(points[known]) if known.any() else (0, 0, np.nan, np.nan)
                 for points, known in zip(self.keypoints_px, self.labelled, strict=True)]  # fmt: skip
        return np.array([max(box[2:]) for box in boxes], dtype=np.float64)

    def box_sizes_px(self) -> NDArray[np.float64]:
        """(N,) the longer side of each person's annotated box, image px; nan without one."""
        boxes = [person.person_box or (0, 0, np.nan, np.nan) for person in self.people]
        return np.array([max(box[2:]) for box in boxes], dtype=np.float64)


def with_joints(people: Sequence[Person], joints: JointSet) -> list[Person]:
    """Those people of whom at least one joint of the set is labelled; people without a group are grouped by image.

    Raises:
        DatasetUnsuitable: nobody.
    """
    found = [
        replace(person, group=str(person.image)) if person.group is None else person
        for person in people
        if person.keypoints(joints)[1].any()
    ]
    if not found:
        raise DatasetUnsuitable(
            f"Nobody in the data set has a labelled joint among {', '.join(joints.names)}. Send images with joints."
        )
    return found


def cut_people(
    people: Sequence[Person],
    *,
    joints: JointSet,
    torso_scale: float,
    crop_px: int,
    margin_px: int = 0,
    folder: Path | None = None,
    memory_bytes: int = MEMORY_BYTES,
) -> Generator[Progress, None, tuple[PoseSamples, list[LeftOut]]]:
    """Read each person's image and cut the person crop out of it.

    Args:
        people: people of one image that follow each other share one reading of it.
        margin_px: cut the crops so much wider on every side, at the same scale: S is then crop_px + 2 margin_px.
        folder: where a file of crops goes when they do not fit in memory; it vanishes with the process.

    Returns:
        Those people of whom there is a crop, in their order; and the images that do not read or in which a person
        lies outside, each once for each reason.
    """
    side_px = crop_px + 2 * margin_px
    rows = _Rows(_storage((len(people), side_px, side_px, 3), folder, memory_bytes=memory_bytes))
    image_of = lru_cache(maxsize=1)(_image)
    left_out: dict[LeftOut, None] = {}
    for number, person in enumerate(people, start=1):
        try:
            crop = person_crop(person, torso_scale=torso_scale, crop_px=crop_px)
            image = image_of(person.image)
            crop.overlap((image.shape[0], image.shape[1]))  # who is outside is left out, however wide the margin
            rows.add(person, image, crop.widened(margin_px))
        except InputError as error:
            left_out[LeftOut.of(error, name=person.image_name, path=person.image)] = None
        yield Progress(phase="crop", step=number, total=len(people))
    return rows.samples(joints), list(left_out)


class _Rows:
    """Samples, one by one: whoever cannot be cut takes no row."""

    def __init__(self, crops_u8: NDArray[np.uint8]) -> None:
        """`crops_u8`: (N, S, S, 3), room for everybody."""
        self._crops_u8 = crops_u8
        self._people: list[Person] = []
        self._crops: list[PersonCrop] = []

    def add(self, person: Person, image: NDArray[np.uint8], crop: PersonCrop) -> None:
        """Raises: BoxOutsideImage."""
        self._crops_u8[len(self._people)] = crop.cut(image)
        self._people.append(person)
        self._crops.append(crop)

    def samples(self, joints: JointSet) -> PoseSamples:
        """The rows that were added."""
        keypoints_px = np.empty((len(self._people), len(joints), 2))
        labelled, visible = (np.empty((len(self._people), len(joints)), dtype=bool) for _ in range(2))
        for row, person in enumerate(self._people):
            keypoints_px[row], labelled[row] = person.keypoints(joints)
            visible[row] = person.visible(joints)
        return PoseSamples(
            people=tuple(self._people),
            crops_u8=self._crops_u8[: len(self._people)],
            crops=tuple(self._crops),
            keypoints_px=keypoints_px,
            labelled=labelled,
            visible=visible,
        )


def _image(path: Path) -> NDArray[np.uint8]:
    with opening(ImageUnreadable):
        return read_image(path.read_bytes(), max_pixels=MAX_PIXELS)


def _storage(shape: tuple[int, ...], folder: Path | None, *, memory_bytes: int) -> NDArray[np.uint8]:
    if folder is None or np.prod(shape, dtype=np.int64) <= memory_bytes:
        return np.empty(shape, dtype=np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "crops.u8"
    mapped = np.memmap(path, dtype=np.uint8, mode="w+", shape=shape)
    path.unlink()  # the mapping keeps it until the process ends
    return mapped
