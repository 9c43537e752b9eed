"""MPII Human Pose: `mpii_human_pose_v1_u12_1.mat`. Source: Andriluka et al. 2014.

`RELEASE.annolist(i)`: `image.name`, `vididx`, and `annorect`, one struct a person: `annopoints.point` with `id` (0 to
15), `x`, `y`, `is_visible` (1, 0, or empty: then it is taken as visible), `scale` (of 200 px) and `objpos`.
`RELEASE.img_train(i)` tells the split. The joints of the test pictures were never published: their people, and those of
whom only the place is known, are left out. The head box is not kept: PDJ and PCP measure by torso and limb.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pfa_core.annotations import relative_name
from pfa_core.errors import AnnotationsInvalid
from pfa_core.importers import mat_values as mat
from pfa_core.importers.imported import Imported
from pfa_core.importers.published_joints import published_joints
from pfa_core.importers.source import Source
from pfa_core.people import Box, Person, Point, PoseData

SCALE_PX = 200
"""The person's height is taken to be `scale` times this."""


def is_mpii(source: Source) -> bool:
    """Whether it is the release."""
    return "RELEASE" in source.mat


def read_mpii(sources: Sequence[Source]) -> Imported:
    """Raises: AnnotationsInvalid."""
    people: list[Person] = []
    num_left_out = 0
    for source in sources:
        release = mat.one(source.mat.get("RELEASE"), where="RELEASE", fields=("annolist", "img_train"))
        images = mat.structs(release["annolist"], where="RELEASE.annolist", fields=("image", "annorect"))
        train = mat.flags(release["img_train"], where="RELEASE.img_train")
        if len(train) != len(images):
            raise AnnotationsInvalid(f"RELEASE has {len(images)} images and {len(train)} entries of img_train.")
        for i, image in enumerate(images):
            found = _people_of(image, split="train" if train[i] else "test", where=f"annolist({i + 1})")
            labelled = [person for person in found if person.joints]
            people += labelled
            num_left_out += len(found) - len(labelled)
    warnings = [f"{num_left_out} people without labelled joints were left out."] if num_left_out else []
    return Imported(
        people=PoseData(joints=published_joints("mpii-16").joints, people=tuple(people)), warnings=tuple(warnings)
    )


def _people_of(image: Mapping[str, Any], *, split: str, where: str) -> list[Person]:
    file = relative_name(
        mat.text(mat.one(image["image"], where=f"{where}.image", fields=("name",))["name"], where=f"{where}.image.name")
    )
    if not isinstance(image["annorect"], list):  # [] where nobody is annotated
        return []
    video = image.get("vididx")
    return [
        Person(
            image=Path(file),
            joints=_joints(person.get("annopoints"), where=file),
            person_box=_box(person, where=file),
            split=split,
            group=f"video {video:g}" if isinstance(video, float) else None,
        )
        for person in image["annorect"]
    ]


def _joints(annopoints: object, *, where: str) -> dict[str, Point]:
    if not isinstance(annopoints, list) or not annopoints:
        return {}
    points = mat.one(annopoints, where=f"{where}: annopoints", fields=("point",))["point"]
    names = published_joints("mpii-16").joints.names
    found: dict[str, Point] = {}
    for point in mat.structs(points, where=f"{where}: point", fields=("id", "x", "y")):
        number = mat.number(point["id"], where=f"{where}: point.id")
        if number not in range(len(names)):
            raise AnnotationsInvalid(f"{where}: there is no joint {number:g}; MPII numbers them 0 to 15.")
        name = names[int(number)]
        x, y = (mat.number(point[axis], where=f"{where}: joint {name}") for axis in ("x", "y"))
        found[name] = mat.point((x, y), _visible(point.get("is_visible")), where=f"{where}: joint {name}")
    return found


def _visible(value: object) -> int:  # a number, a text, or nothing
    if isinstance(value, np.ndarray) or value is None or value == "":
        return 2
    return 1 if value in (0.0, "0") else 2


def _box(person: Mapping[str, Any], *, where: str) -> Box | None:
    """A square as high as the person, around the place that is given for them."""
    scale, place = person.get("scale"), person.get("objpos")
    if not isinstance(scale, float) or not isinstance(place, list) or not place:
        return None
    centre = mat.one(place, where=f"{where}: objpos", fields=("x", "y"))
    side = SCALE_PX * scale
    if not 0 < side < 1e6:
        raise AnnotationsInvalid(f"{where}: the scale {scale:g} cannot be.")
    x, y = (mat.number(centre[axis], where=f"{where}: objpos.{axis}") - 1 for axis in ("x", "y"))
    return (x - side / 2, y - side / 2, side, side)
