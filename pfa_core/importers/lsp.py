"""Leeds Sports Pose and its extension: `joints.mat`. Source: Johnson and Everingham 2010 and 2011.

The file has one array `joints` of (x, y, flag) for 14 joints of N people, one a picture `im0001.jpg`, `im0002.jpg`, ...
The two releases differ, and the order of the axes tells which it is:

- LSP: 3 x 14 x N. The readme says no more of the flag than "a binary value specifying joint visibility". It is taken
  as the field's converters take it: 1 where the joint is *occluded*; its place is labelled all the same, so that the
  worst that the other reading could mean is that visible and occluded are swapped, which no job tells apart. Pictures
  1 to 1000 are for training, 1001 to 2000 for the test.
- LSP-Extended: 14 x 3 x N. Its flag is 1 where the joint is *labelled*; elsewhere the place means nothing. The names of
  its pictures have five digits, and all are for training.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pfa_core.errors import AnnotationsInvalid
from pfa_core.importers import mat_values as mat
from pfa_core.importers.imported import Imported
from pfa_core.importers.published_joints import published_joints
from pfa_core.importers.source import Source
from pfa_core.people import Person, PoseData

LSP_PEOPLE = 2000
LSP_TRAIN = 1000


def is_lsp(source: Source) -> bool:
    """Whether it is the `joints.mat` of LSP."""
    return _shape(source)[:2] == (3, 14)


def is_lspet(source: Source) -> bool:
    """Whether it is the `joints.mat` of LSP-Extended."""
    return _shape(source)[:2] == (14, 3)


def read_lsp(sources: Sequence[Source]) -> Imported:
    """Raises: AnnotationsInvalid."""
    joints = mat.numbers(_only(sources).mat.get("joints"), where="joints", shape=(3, 14, None))
    known = np.where(joints[2] > 0, 1, 2)  # (14, N) occluded, visible
    return _people(joints[:2], known, digits=4)


def read_lspet(sources: Sequence[Source]) -> Imported:
    """Raises: AnnotationsInvalid."""
    joints = mat.numbers(_only(sources).mat.get("joints"), where="joints", shape=(14, 3, None)).transpose(1, 0, 2)
    known = np.where(joints[2] > 0, 2, 0)
    return _people(joints[:2], known, digits=5)


def _people(places: NDArray[np.float64], known: NDArray[np.int64], *, digits: int) -> Imported:
    """`places`: (2, 14, N), `known`: (14, N)."""
    names = published_joints("lsp-14").joints
    num_people = places.shape[2]
    people = []
    for number in range(num_people):
        file = f"im{number + 1:0{digits}}.jpg"
        points = {
            name: mat.point(places[:, k, number], int(known[k, number]), where=f"{file}: joint {name}")
            for k, name in enumerate(names.names)
        }
        split = _split(number, num_people) if digits == 4 else "train"
        people.append(Person(image=Path(file), joints=points, split=split))
    return Imported(people=PoseData(joints=names, people=tuple(people)))


def _split(number: int, num_people: int) -> str | None:
    """The published split holds for the whole of LSP; of a part of it nothing is known."""
    if num_people != LSP_PEOPLE:
        return None
    return "train" if number < LSP_TRAIN else "test"


def _only(sources: Sequence[Source]) -> Source:
    if len(sources) != 1:
        raise AnnotationsInvalid(f"LSP has one joints.mat; {len(sources)} files were given.")
    return sources[0]


def _shape(source: Source) -> tuple[int, ...]:
    joints = source.mat.get("joints")
    return joints.shape if isinstance(joints, np.ndarray) else ()
