"""FLIC and FLIC-full: `examples.mat`. Source: Sapp and Taskar 2013, "MODEC".

A struct array `examples`: `filepath`, `coords` (2 x 29, nan where not labelled), `imgdims` (height, width, ...),
`torsobox` (x1, y1, x2, y2), `istrain`, `istest`, `moviename`. People of one movie are one group. Examples of neither
split (FLIC-full has some) are left out: they show people of the test images.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pfa_core.annotations import relative_name
from pfa_core.errors import AnnotationsInvalid
from pfa_core.importers import mat_values as mat
from pfa_core.importers.imported import Imported, overlap_warnings
from pfa_core.importers.published_joints import published_joints
from pfa_core.importers.source import Source
from pfa_core.people import Person, PoseData
from pfa_core.skeleton import JointSet

_FIELDS = ("filepath", "coords", "torsobox", "istrain", "istest")


def is_flic(source: Source) -> bool:
    """Whether it is an `examples.mat`."""
    examples = source.mat.get("examples")
    return isinstance(examples, list) and bool(examples) and "coords" in examples[0]


def read_flic(sources: Sequence[Source]) -> Imported:
    """The nine joints that the paper trains and scores. Raises: AnnotationsInvalid."""
    return _read(sources, joints=published_joints("flic-9").joints)


def read_flic_29(sources: Sequence[Source]) -> Imported:
    """All 29 columns, of which FLIC labels eleven. Raises: AnnotationsInvalid."""
    return _read(sources, joints=published_joints("flic-29").joints)


def _read(sources: Sequence[Source], *, joints: JointSet) -> Imported:
    people: list[Person] = []
    num_left_out = 0
    for source in sources:
        examples = mat.structs(source.mat.get("examples"), where=f"{source.name}: examples", fields=_FIELDS)
        found = [_person(example, joints=joints, where=f"examples({i})") for i, example in enumerate(examples, start=1)]
        people += [person for person in found if person is not None]
        num_left_out += found.count(None)
    warnings = overlap_warnings(people)
    if num_left_out:
        warnings.append(f"{num_left_out} examples are in neither split and were left out.")
    return Imported(people=PoseData(joints=joints, people=tuple(people)), warnings=tuple(warnings))


def _person(example: Mapping[str, Any], *, joints: JointSet, where: str) -> Person | None:
    file = relative_name(mat.text(example["filepath"], where=f"{where}.filepath"))
    coords = mat.numbers(example["coords"], where=f"{file}: coords", shape=(2, 29))
    torso = mat.numbers(example["torsobox"], where=f"{file}: torsobox", shape=(1, 4))
    train, test = (bool(mat.flags(example[name], where=f"{file}: {name}").any()) for name in ("istrain", "istest"))
    if train and test:
        raise AnnotationsInvalid(f"{file} is in both splits: istrain and istest are set.")
    if not (train or test):
        return None
    columns = published_joints("flic-29").joints
    movie = example.get("moviename")
    return Person(
        image=Path(file),
        joints={
            name: mat.point(coords[:, columns.index(name)], 2, where=f"{file}: joint {name}") for name in joints.names
        },
        torso_box=mat.box(torso),
        split="train" if train else "test",
        group=movie if isinstance(movie, str) and movie else None,
    )
