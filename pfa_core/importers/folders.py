"""A folder a class: `walk/a.avi`, or with the split before it, `test/walk/a.avi`. Nothing but names is read."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from pfa_core.annotations import FileLabel, relative_name
from pfa_core.errors import AnnotationsInvalid
from pfa_core.importers.imported import shown

_SPLITS = ("train", "val", "test")


def read_folders(names: Sequence[str]) -> tuple[FileLabel, ...]:
    """A label for each file: the folder that it lies in.

    Raises:
        AnnotationsInvalid: a file lies in no folder.
    """
    paths = {name: PurePosixPath(relative_name(name)) for name in names}
    bare = sorted(name for name, path in paths.items() if len(path.parts) < 2)
    if bare:
        raise AnnotationsInvalid(
            f"{len(bare)} files lie in no folder, so that their class is unknown: {shown(bare)}."
            " Send a .zip archive with a folder a class, or name the files <class>/<file>."
        )
    return tuple(
        FileLabel(
            file=name, label=path.parts[-2], split=next((part for part in path.parts[:-2] if part in _SPLITS), None)
        )
        for name, path in paths.items()
    )
