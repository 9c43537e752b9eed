"""JHMDB: a `joint_positions.mat` a clip, with `pos_img` (2 x 15 x T, px). Source: Jhuang et al. 2013.

Where the clip is comes from the folders of the file's name, `joint_positions/<class>/<clip>/joint_positions.mat`, and
so do the pictures, `<class>/<clip>/00001.png` and on. Clips of one source video are one group.
"""

from collections.abc import Sequence
from pathlib import Path

from pfa_core.annotations import relative_name
from pfa_core.errors import AnnotationsInvalid
from pfa_core.importers import mat_values as mat
from pfa_core.importers.hmdb51 import source_video
from pfa_core.importers.imported import Imported
from pfa_core.importers.published_joints import published_joints
from pfa_core.importers.source import Source
from pfa_core.people import Person, PoseData

_TOP = ("joint_positions", "JHMDB")


def is_jhmdb(source: Source) -> bool:
    """Whether it is a `joint_positions.mat`."""
    return "pos_img" in source.mat


def read_jhmdb(sources: Sequence[Source]) -> Imported:
    """Raises: AnnotationsInvalid."""
    people = [person for source in sources for person in _clip(source, several=len(sources) > 1)]
    return Imported(people=PoseData(joints=published_joints("jhmdb-15").joints, people=tuple(people)))


def _clip(source: Source, *, several: bool) -> list[Person]:
    """The person of each frame."""
    folders = [part for part in source.parts[:-1] if part not in _TOP][-2:]
    if several and len(folders) < 2:
        raise AnnotationsInvalid(
            f"{source.name}: name each file with its folders, <class>/<clip>/joint_positions.mat; they tell the clip."
        )
    joints = published_joints("jhmdb-15").joints
    places = mat.numbers(source.mat.get("pos_img"), where=f"{source.name}: pos_img", shape=(2, 15, None))
    group = source_video(folders[1], label=folders[0]) if len(folders) == 2 else None
    people = []
    for frame in range(places.shape[2]):
        file = relative_name("/".join([*folders, f"{frame + 1:05}.png"]))
        points = {
            name: mat.point(places[:, k, frame], 2, where=f"{file}: joint {name}")
            for k, name in enumerate(joints.names)
        }
        people.append(Person(image=Path(file), joints=points, group=group))
    return people
